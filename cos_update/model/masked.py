"""Texts in which nothing is to be masked any more."""

from __future__ import annotations


class Masked(str):
    """A text for people that quotes no secret, made where it is known which of its words are values.

    Whoever masks secrets leaves it alone: a password may be one of the program's own words (`concertim`), and the text
    would lose the name of a key.
    """

    __slots__ = ()
