"""Names of architectures that `--set` changed, so that none passes for the one it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.architecture import Architecture
    from archsim.cli.options import SettingValue

# Longer lists of settings are cut, and told apart by a digest.
LONGEST = 60
_DIGEST = 6


def as_variant(base: Architecture, settings: Mapping[str, SettingValue]) -> dict[str, SettingValue]:
    """`settings` with the name and the description of the variant, unless they set these."""
    return {
        "name": variant_name(base.name, settings),
        "description": variant_description(base.description, settings),
        **settings,
    }


def variant_name(base: str, settings: Mapping[str, SettingValue]) -> str:
    """`protonic_256+array.rows=512,adc.bits=5`; different settings give different names."""
    listed = ",".join(f"{path}={_word(value)}" for path, value in settings.items())
    if len(listed) > LONGEST:
        digest = hashlib.sha256(listed.encode()).hexdigest()[:_DIGEST]
        listed = f"{listed[: LONGEST - _DIGEST - 1].rstrip(',=.')}~{digest}"
    return f"{base}+{listed}"


def variant_description(base: str, settings: Mapping[str, SettingValue]) -> str:
    """The description with the settings behind it."""
    listed = ", ".join(f"{path} = {_text(value)}" for path, value in settings.items())
    return f"{base}, with {listed}" if base else f"With {listed}"


def _word(value: SettingValue) -> str:
    """A value without blanks."""
    return "".join(_text(value).split())


def _text(value: SettingValue) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
