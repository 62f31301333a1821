"""Texts that must not be redacted."""

from __future__ import annotations


class Masked(str):
    """A text for people that is known to contain no secret.

    The redactor skips it: a password may be one of the program's own words (`concertim`), and redacting would remove
    the name of a key.
    """

    __slots__ = ()
