"""What the outputs can show: names in every script where the locale has them, ASCII where it says so."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys

import click

_FALLBACK = "cos_update.ascii"
_ASCII = {"…": "~", "·": "-"}
"""For marks of our own, as wide as they were; what else cannot be shown is a question mark."""


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end


def suit_the_locale() -> None:
    """Sees that nothing which cannot be shown stops the program: a name may have any character.

    Python takes LC_ALL=C for UTF-8; who has set that on purpose has asked for ASCII.
    """
    codecs.register_error(_FALLBACK, _in_ascii)
    plain = os.environ.get("LC_ALL") in ("C", "POSIX")
    chosen = os.environ.get("PYTHONUTF8") == "1" or os.environ.get("PYTHONIOENCODING")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="ascii" if plain and not chosen else None, errors=_FALLBACK)


def speaks_unicode() -> bool:
    """Whether standard output can show every name."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") in ("utf8", "utf16", "utf32")


def clean(text: str, *, unicode: bool = True) -> str:
    """The text without control characters: a name must not move the cursor or turn the direction of writing.

    Without `unicode`, nothing but ASCII is left.
    """
    if text.isprintable() and (unicode or text.isascii()):
        return text
    return "".join(
        char if char.isprintable() and (unicode or char.isascii()) else _ASCII.get(char, "?") for char in text
    )


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints the text as `click.echo` does, which left to itself takes an output for ASCII for one of UTF-8."""
    click.echo(text, file=sys.stderr if err else sys.stdout, nl=nl)


def json_text(document: object) -> str:
    """One line of JSON, whole in every locale."""
    return json.dumps(document, ensure_ascii=not speaks_unicode(), default=str)
