"""The refusal of a network that the arrays cannot hold."""

from __future__ import annotations

from archsim.errors import InputError


class DoesNotFit(InputError):
    """The network needs more arrays than there are."""
