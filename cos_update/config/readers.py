"""One reader for each type of value: from an item of config.yaml to the value of a setting.

Every reader works on the text as written, whatever type YAML would give it, strips surrounding white space, and raises
a ConfigError that names file, line and key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from cos_update.config.document import Item
from cos_update.model.concertim import ApiFlavour
from cos_update.model.settings import KILLBILL_ORDERS, ViewFor

Reader = Callable[[Item], object]
W = TypeVar("W", bound=StrEnum)

_HOST = re.compile(
    r"""\[[0-9A-Fa-f:.%]+\](?::(?P<v6port>[0-9]{1,9}))?   # [::1]:5672
    |   [^\s:/@\[\]]+(?::(?P<port>[0-9]{1,9}))?         # rabbit:5672
    |   [0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*     # ::1
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_NUMBER = re.compile(r"[+-]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_MOST_DIGITS = 18
BACKENDS = ("etcd3+http", "etcd3+https", "redis", "rediss")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def text(item: Item) -> str:
    """A non-empty string."""
    return _text(item, "a string", "Leave the key out to use the default.")


def identifier(item: Item) -> str:
    """A name or an id; digits stay as written."""
    return text(item)


def login(item: Item) -> str:
    """A user name, as written even if YAML reads it as null."""
    return text(item)


def secret(item: Item) -> str:
    """A string that no error quotes, white space included; only a final line break is removed."""
    if not isinstance(item.value, str) or not item.value.rstrip("\r\n"):
        raise item.expected("a string", secret=True)
    return item.value.rstrip("\r\n")


def empty_or_secret(item: Item) -> str:
    """A secret that may be empty, in quotes."""
    return "" if item.value == "" else secret(item)


AS_WRITTEN: Collection[Reader] = (login, secret, empty_or_secret)
"""The readers that accept `null` and `~` as strings; the others take them for blank."""


def boolean(item: Item) -> bool:
    """true or false."""
    truth = _truth(item)
    if truth is None:
        raise item.expected("true or false")
    return truth


def verify(item: Item) -> bool | str:
    """true, false, or the path of a CA file, relative to config.yaml."""
    truth = _truth(item)
    return near_path(item) if truth is None else truth


def whole(lowest: int, highest: int | None = None) -> Callable[[Item], int]:
    """A whole number in a range, both ends included; leading zeros are ignored."""

    def read(item: Item) -> int:
        written = _text(item, "a whole number")
        if not _WHOLE.fullmatch(written):
            raise item.expected("a whole number")
        value = int(written) if len(written.lstrip("+-0_")) <= _MOST_DIGITS else None
        if value is None or value < lowest or (highest is not None and value > highest):
            raise item.expected(f"a whole number {_range(lowest, highest)}")
        return value

    return read


def seconds(item: Item) -> float:
    """A number above 0."""
    value = _number(item, "a number of seconds")
    if value <= 0:
        raise item.expected("a number of seconds above 0")
    return value


def percent(item: Item) -> float:
    """A number from 0 to 100."""
    value = _number(item, "a number")
    if not 0 <= value <= 100:
        raise item.expected("a percentage from 0 to 100")
    return value


def choice(*words: str) -> Callable[[Item], str]:
    """One of these words, case-insensitive."""

    def read(item: Item) -> str:
        return _one_of(item, words)

    return read


def member(words: type[W]) -> Callable[[Item], W]:
    """One of the words of an enumeration."""

    def read(item: Item) -> W:
        return words(_one_of(item, [word.value for word in words]))

    return read


def flavour(item: Item) -> ApiFlavour | None:
    """teams, credits, users, or auto to ask the app."""
    word = _one_of(item, ["auto", *ApiFlavour])
    return None if word == "auto" else ApiFlavour(word)


def view_for(item: Item) -> ViewFor | None:
    """con_opstk, conser, none, or auto to follow the existing file."""
    word = _one_of(item, ["auto", *ViewFor])
    return None if word == "auto" else ViewFor(word)


def log_level(item: Item) -> str:
    """A level name of the standard library's logging."""
    word = _one_of(item, ["DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"])
    return "WARNING" if word == "WARN" else word


def url(item: Item) -> str:
    """An http or https URL without credentials; trailing slashes are removed."""
    value = text(item)
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise item.expected("an address like https://host", secret="@" in value)
    if parts.username is not None or parts.password is not None:
        raise item.error("contains a user name or a password.", "Give them in their own keys.")
    return value.rstrip("/")


def backend_url(item: Item) -> str:
    """The address of an engine of coordination; no complaint quotes it, since it may hold a password."""
    value = secret(item).strip()
    if not is_backend_url(value):
        raise item.expected(
            f"an address that begins with {', '.join(f'{scheme}://' for scheme in BACKENDS)}", secret=True
        )
    return value


def is_backend_url(value: str) -> bool:
    """Whether it is the address of an engine whose locks end by themselves a lease after the last sign of life."""
    try:
        return urlsplit(value).scheme in BACKENDS
    except ValueError:
        return False


def path(item: Item) -> Path:
    """The absolute path of a folder."""
    value = Path(text(item))
    if not value.is_absolute():
        raise item.expected("an absolute path")
    return value


def near_path(item: Item) -> str:
    """The path of a file, relative to the folder of config.yaml."""
    try:
        return str(item.file.absolute().parent / Path(text(item)).expanduser())
    except RuntimeError:
        raise item.error("there is no home directory for ~.", "Write the path in full.") from None


def hosts(item: Item) -> tuple[str, ...]:
    """Host names, each with an optional port, as a list or comma-separated."""
    for value, host in _words(item):
        match = _HOST.fullmatch(host)
        port = match and (match["port"] or match["v6port"])
        if not match or (port and not 1 <= int(port) <= 65535):
            raise value.expected("a host name, or host:port")
    return tuple(host for _, host in _words(item))


def names(item: Item) -> tuple[str, ...]:
    """One name or more, as a list or comma-separated."""
    return tuple(name for _, name in _words(item))


def virtual_host(item: Item) -> str:
    """RabbitMQ's virtual host, written like the path of an AMQP address: "" and "/" are "/", "/foo" is "foo"."""
    if not isinstance(item.value, str):
        raise item.expected("a string")
    return item.value.strip().removeprefix("/") or "/"


def order_id(item: Item) -> str:
    """stack_id, tag:NAME, or one of the sources that are looked up in Killbill."""
    value = text(item)
    if value not in ("stack_id", *KILLBILL_ORDERS) and not re.fullmatch(r"tag:[^\s=,]+", value):
        raise item.expected(f"stack_id, tag:NAME, {' or '.join(KILLBILL_ORDERS)}")
    return value


def killbill_url(item: Item) -> str:
    """An address in the forms that Killbill's own clients accept: a URL, or a host with an optional port, over http."""
    if isinstance(item.value, str) and "://" not in item.value and item.value.strip():
        item = replace(item, value=f"http://{item.value.strip()}")
    return url(item)


def _words(item: Item) -> list[tuple[Item, str]]:
    parts = item.value if isinstance(item.value, list) else [item]
    found = [
        (part, word.strip()) for part in parts for word in _text(part, "one name or more").split(",") if word.strip()
    ]
    if not found:
        raise item.expected("one name or more")
    return found


def _text(item: Item, what: str, hint: str = "") -> str:
    """A scalar's text without surrounding white space."""
    if not isinstance(item.value, str):
        raise item.expected(what)
    if not item.value.strip():
        raise item.expected(what, hint)
    return item.value.strip()


def _truth(item: Item) -> bool | None:
    """The boolean that a text spells; None for any other text."""
    return _TRUTHS.get(item.value.strip().lower()) if isinstance(item.value, str) else None


def _number(item: Item, what: str) -> float:
    written = _text(item, what)
    value = float(written) if _NUMBER.fullmatch(written) else math.inf
    if not math.isfinite(value):
        raise item.expected(what)
    return value


def _one_of(item: Item, words: Collection[str]) -> str:
    if isinstance(item.value, str):
        for word in words:
            if item.value.strip().lower() == word.lower():
                return word
    raise item.expected(f"one of {', '.join(words)}")


def _range(lowest: int, highest: int | None) -> str:
    return f"of {lowest} or more" if highest is None else f"from {lowest} to {highest}"
