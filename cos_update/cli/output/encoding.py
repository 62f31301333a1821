"""Output encoding: Unicode where the locale supports it, else ASCII."""

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
"""ASCII for our own marks, of the same width; other characters become question marks."""


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ASCII.get(char, "?") for char in error.object[error.start : error.end]), error.end


def suit_the_locale() -> None:
    """Replaces characters that an output cannot encode, since a name may have any character.

    Python treats LC_ALL=C as UTF-8, but a user who sets it explicitly wants ASCII.
    """
    codecs.register_error(_FALLBACK, _in_ascii)
    plain = os.environ.get("LC_ALL") in ("C", "POSIX")
    chosen = os.environ.get("PYTHONUTF8") == "1" or os.environ.get("PYTHONIOENCODING")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="ascii" if plain and not chosen else None, errors=_FALLBACK)


def speaks_unicode() -> bool:
    """Whether standard output can encode every name."""
    return (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "") in ("utf8", "utf16", "utf32")


def clean(text: str, *, unicode: bool = True) -> str:
    """The text without control characters: a name must not move the cursor or change the text direction.

    Unless `unicode`, the result is ASCII.
    """
    if text.isprintable() and (unicode or text.isascii()):
        return text
    return "".join(
        char if char.isprintable() and (unicode or char.isascii()) else _ASCII.get(char, "?") for char in text
    )


def escaped(text: str) -> str:
    """The text with control characters escaped, except our own line breaks and tabs."""
    return _UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else _python_escape(found[0]), text)


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints the text as `click.echo` does, which by itself takes an ASCII output for UTF-8.

    Control characters are escaped.
    """
    click.echo(escaped(text), file=sys.stderr if err else sys.stdout, nl=nl)


def json_text(document: object, *, indent: int | None = None) -> str:
    """JSON, lossless in every locale, in one line unless indented; control characters are escaped."""
    text = json.dumps(document, ensure_ascii=not speaks_unicode(), default=str, indent=indent)
    return _UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else _json_escape(found[0]), text)


_UNSEEN = re.compile(r"[^ -~\n\t]")
"""Characters that may need an escape; most of them are letters of other scripts."""


def _python_escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
