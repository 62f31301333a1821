"""Extracts messages from Concertim's error bodies, which differ between endpoints (all formats observed)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cos_update.concertim.transport import Answer

LONGEST_REASON = 300
LONGEST_FAULT = 120

_WORDS: Mapping[str, str] = {
    "blank": "is blank",
    "taken": "is already taken",
    "invalid": "is not valid",
    "inclusion": "must be one of {permitted}",
    "exclusion": "is reserved",
    "required": "must exist",
    "present": "must be blank",
    "not_a_number": "is not a number",
    "not_an_integer": "is not a whole number",
    "greater_than": "must be greater than {count}",
    "greater_than_or_equal_to": "must be at least {count}",
    "less_than": "must be less than {count}",
    "less_than_or_equal_to": "must be at most {count}",
    "equal_to": "must be {count}",
    "other_than": "must not be {count}",
    "too_long": "is too long (at most {count} characters)",
    "too_short": "is too short (at least {count} characters)",
    "wrong_length": "has the wrong length ({count} characters wanted)",
}
"""Rails' own symbols of validation errors."""

_SHOW_VALUE = frozenset({"invalid", "inclusion", "not_a_number", "not_an_integer"})
_ROWS = re.compile(r"\n|DETAIL:|#<|\(\S+\)=\(")
"""The point from which the description of a fault quotes database records."""


def reason(answer: Answer) -> str:
    """The app's reason for a 4xx or 5xx, in one line."""
    body = _body(answer)
    if answer.status >= 500:
        return _fault(answer.status, body)
    return (
        _cut("; ".join(dict.fromkeys(_sentences(body))), LONGEST_REASON)
        or f"refused without a reason ({answer.status})"
    )


def _body(answer: Answer) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _sentences(body: object) -> Iterator[str]:
    match body:
        case {"errors": errors}:
            yield from _sentences(errors)
        case {"error": str(text), **rest} if not rest or "status" in rest:
            yield _clean(text)
        case {"title": str(title), **rest}:
            description = rest.get("description")
            yield _clean(f"{title}: {description}" if isinstance(description, str) and description else title)
        case Mapping():
            for field, messages in body.items():
                yield from (_about(str(field), message) for message in _messages(messages))
        case list():
            for item in body:
                yield from _sentences(item)
        case str():
            yield _clean(body)


def _messages(messages: object) -> Iterator[str]:
    for message in messages if isinstance(messages, list) else [messages]:
        if isinstance(message, str):
            yield _clean(message)
        elif isinstance(message, Mapping) and isinstance(message.get("error"), str):
            yield _in_words(message["error"], message)


def _about(field: str, message: str) -> str:
    return message if field == "base" else f"{field} {message}"


def _in_words(symbol: str, known: Mapping[str, object]) -> str:
    wording = _WORDS.get(symbol)
    if wording is None:
        return _clean(symbol.replace("_", " ") if re.fullmatch(r"[a-z_]+", symbol) else symbol)
    permitted = known.get("permitted")
    choices = ", ".join(str(item) for item in permitted) if isinstance(permitted, list) else "what the app permits"
    words = wording.format(count=known.get("count", "the limit"), permitted=choices)
    value = known.get("value")
    # A value may also be a whole record with passwords: repeat only plain values.
    if symbol in _SHOW_VALUE and isinstance(value, str | int | float) and value != "":
        words += f" ({_cut(_clean(value), 40)!r})" if isinstance(value, str) else f" ({value})"
    return words


def _fault(status: int, body: object) -> str:
    """The exception's class and the harmless start of its description, which a database row may follow."""
    match body:
        case {"errors": [{"title": str(title), **rest}, *_]}:
            description = rest.get("description")
            harmless = _ROWS.split(description, maxsplit=1)[0] if isinstance(description, str) else ""
            text = f"Concertim failed ({status} {_cut(_clean(title), 80)})"
            return f"{text}: {_cut(_clean(harmless), LONGEST_FAULT)}" if harmless.strip() else text
    return f"Concertim failed ({status})"


def _clean(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
