"""Names from a file as a picture or another program may show them."""

from __future__ import annotations

import unicodedata

from archsim.units import format_quantity

_MARK = "\N{REPLACEMENT CHARACTER}"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


def visible(text: str, keep: str = "") -> str:
    """`text` with characters that hide, reorder or break text replaced by a visible mark.

    What is left can be held by XML and UTF-8.  Characters in `keep` stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in keep or unicodedata.category(c) not in _HIDDEN else _MARK for c in text
    )


def shorten(text: str, limit: int) -> str:
    """`text` cut in the middle to `limit` characters: both ends of a name tell something."""
    text = visible(text)
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 3 // 5
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


def short(count: int) -> str:
    """A count with a prefix: 118013952 is `118 M`."""
    return format_quantity(count, "").strip()


def shape_text(shape: tuple[int, ...]) -> str:
    """`1×64×56×56`; a tensor without axes is a `scalar`."""
    return "×".join(map(str, shape)) or "scalar"
