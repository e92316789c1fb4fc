"""What can go wrong outside."""

from __future__ import annotations


class NotTaken(Exception):
    """A place did not take what was sent; the message says why in words that can be shown."""


class TooLarge(NotTaken):
    """A place takes less at once."""
