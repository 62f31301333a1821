"""What the outputs can show: names in every script where the locale has them, ASCII where it says so."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
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


def escaped(text: str) -> str:
    """The text with an escape in place of each control character; line breaks and tabs are ours."""
    return _UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else _python_escape(found[0]), text)


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints the text as `click.echo` does, which left to itself takes an output for ASCII for one of UTF-8.

    Nothing in it acts on a terminal.
    """
    click.echo(escaped(text), file=sys.stderr if err else sys.stdout, nl=nl)


def json_text(document: object, *, indent: int | None = None) -> str:
    """JSON, whole in every locale, in one line unless it is to be indented; nothing in it acts on a terminal."""
    text = json.dumps(document, ensure_ascii=not speaks_unicode(), default=str, indent=indent)
    return _UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else _json_escape(found[0]), text)


_UNSEEN = re.compile(r"[^ -~\n\t]")
"""What is not plainly harmless; most of it is letters of other scripts."""


def _python_escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
