"""How the app parses a request: decoding, wrapping of root keys, and permitted parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from cos_update.fakes.concertim.problems import Refusal, failure, missing
from cos_update.fakes.concertim.records import Json
from cos_update.fakes.concertim.values import inspect

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"

_KEYS = re.compile(r"\[([^\[\]]*)\]")


class BadBodyError(Exception):
    """The body is not what its Content-Type says."""

    def refusal(self) -> Refusal:
        """The API's 500 for it (the login returns a 400)."""
        return failure(
            "ActionDispatch::Http::Parameters::ParseError", "Error occurred while parsing request parameters"
        )


class Params:
    """The parameters of one request.

    `columns` is what Rails wraps into the root key when a JSON body lacks it (None: everything).
    """

    def __init__(self, body: Json, query: Mapping[str, str], *, is_json: bool) -> None:
        self._given: Json = {**query, **body}
        self._body = body
        self._is_json = is_json

    def __getitem__(self, key: str) -> object:
        return self._given.get(key)

    def wrap(self, root: str, columns: Iterable[str] | None) -> None:
        """Put the top level's columns under the root key, if the body is JSON and lacks the key."""
        if self._is_json and root not in self._given:
            names = self._body if columns is None else set(columns)
            self._given[root] = {key: value for key, value in self._body.items() if key in names}

    def root(self, key: str, *, may_be_empty: bool = False) -> Json:
        """The value of the root key. Raises the 400 for a missing one, the 500 for a wrong type."""
        value = self._given.get(key)
        if value is None or (value in ({}, "", []) and not may_be_empty):
            raise missing(key)
        if not isinstance(value, dict):
            kind = "String" if isinstance(value, str) else "Array" if isinstance(value, list) else "Integer"
            raise failure("NoMethodError", f"undefined method `permit' for {inspect(value)}:{kind}")
        return value

    def asks(self, key: str) -> bool:
        """Whether a switch is on: all but a few words mean yes."""
        value = self._given.get(key)
        return value is not None and str(value).lower() not in ("", "0", "f", "false", "off")


def scalars(given: Json, names: Iterable[str]) -> Json:
    """The named fields, except those that are lists or objects."""
    return {name: given[name] for name in names if name in given and not isinstance(given[name], dict | list)}


def objects(given: Json, names: Iterable[str]) -> dict[str, Json]:
    """The named fields that are objects."""
    return {name: value for name in names if isinstance(value := given.get(name), dict)}


def decode(content_type: str, raw: bytes) -> Json:
    """The body's parameters; empty for a type that the app does not read. Raises BadBodyError."""
    if not raw:
        return {}
    if content_type == JSON_TYPE:
        value = without_nulls_in_lists(_decode_json(raw))
        return value if isinstance(value, dict) else {"_json": value}
    return _decode_form(raw) if content_type == FORM_TYPE else {}


def without_nulls_in_lists(value: object) -> object:
    """The value as Rails passes it on: without nulls in lists."""
    if isinstance(value, dict):
        return {key: without_nulls_in_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nulls_in_lists(item) for item in value if item is not None]
    return value


def _decode_json(raw: bytes) -> object:
    try:
        value: object = json.loads(raw, parse_constant=_refuse_constant)
        if b"\\ud" in raw or b"\\uD" in raw:
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise BadBodyError from error
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _decode_form(raw: bytes) -> Json:
    decoded: Json = {}
    for name, value in parse_qsl(raw.decode(errors="replace"), keep_blank_values=True):
        place = decoded
        *path, last = [name.split("[", 1)[0], *_KEYS.findall(name)]
        for key in path:
            inner = place.setdefault(key, {})
            if not isinstance(inner, dict):
                break
            place = inner
        place[last] = value
    return decoded
