"""Errors that a user can act on.

Every refusal in archsim is an `InputError`: one sentence that says what was found, where, what was
expected and what to do.  The command line prints it and exits with code 2; nothing else in the
package catches it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Comparing texts costs the product of their lengths, and names come from hostile files too.
_LONGEST_COMPARED = 200


class InputError(Exception):
    """Wrong use or bad input: a readable message for the person who gave the input.

    `message` is the finding; `place` says where it was found (a file with line and column, a node
    of a network, a dotted path); `remedy` says what to do about it.
    """

    def __init__(self, message: str, *, place: str = "", remedy: str = "") -> None:
        self.message = message
        self.place = place
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.place else self.message
        if not self.remedy:
            return head
        return (
            f"{head} {self.remedy}"
            if head.endswith((".", ":", "?", "!"))
            else (f"{head}. {self.remedy}")
        )


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was most likely meant to be, or None if nothing is close."""
    if len(word) > _LONGEST_COMPARED:
        return None
    names = [choice for choice in choices if len(choice) <= _LONGEST_COMPARED]
    matches = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A clause ready to append to a message: the nearest choice, or the list of all choices."""
    names = sorted(set(choices))
    close = nearest(word, names)
    if close is not None:
        return f"Did you mean '{close}'?"
    return f"Known: {', '.join(names)}." if names else ""
