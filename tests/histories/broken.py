"""The rules that a history may break."""

from __future__ import annotations


class WrongRemoval(AssertionError):
    """Something went that should be there."""


class LostChange(AssertionError):
    """Concertim does not show what it should."""


class WriteAtRest(AssertionError):
    """Something was posted though nothing had changed."""


class NeedlessRefusal(AssertionError):
    """Concertim was asked for what it had to refuse."""


RULES = {
    "wrong removals": WrongRemoval,
    "lost changes": LostChange,
    "writes at rest": WriteAtRest,
    "needless refusals": NeedlessRefusal,
}
