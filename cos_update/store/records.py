"""Converts records to plain dicts and back, with type checks, fast enough for a hundred thousand records.

A record's value types are checked together; valid combinations are remembered, so that nearly every record costs a
single set lookup.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SchemaError(ValueError):
    """Plain data does not match the schema; the message names the field."""


class RecordSchema(Generic[T]):
    """The plain form of one dataclass: a dict with a key for each field, in order.

    Fields with strings, numbers, booleans, mappings or tuples are checked by their annotations. The fields in `nested`
    contain other records: `plain` leaves them as they are, and `values` expects a dict or list.
    """

    def __init__(self, cls: Callable[..., T], nested: Collection[str] = ()) -> None:
        self.cls = cls
        self.names = tuple(field.name for field in dataclasses.fields(cls))  # type: ignore[arg-type]
        hints = typing.get_type_hints(cls)
        self._allowed = tuple(
            frozenset({dict, list, tuple}) if name in nested else _allowed(hints[name]) for name in self.names
        )
        self._attributes: Callable[[Any], tuple[object, ...]] = attrgetter(*self.names)
        self._items: Callable[[Any], tuple[Any, ...]] = itemgetter(*self.names)
        self._defaults = _defaults(cls)
        self._good: set[tuple[type, ...]] = set()

    def plain(self, record: T) -> dict[str, Any]:
        return dict(zip(self.names, self._attributes(record), strict=True))

    def values(self, plain: object) -> tuple[Any, ...]:
        """The values of a plain record in field order, type-checked. Raises SchemaError.

        Fields with a default may be missing.
        """
        if type(plain) is not dict:
            raise SchemaError(f"expected a record, found a {type(plain).__name__}")
        try:
            values = self._items(plain)
        except KeyError:
            values = self._completed(plain)
        return self._checked(values)

    def row(self, record: T) -> tuple[object, ...]:
        """The record's values in field order: smaller than a dict, for data that no other service reads."""
        return self._attributes(record)

    def from_row(self, row: Sequence[object]) -> T:
        """The record of a row, type-checked. Raises SchemaError."""
        if len(row) != len(self.names):
            raise SchemaError(f"expected {len(self.names)} values, found {len(row)}")
        return self.cls(*self._checked(tuple(row)))

    def _checked(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        types_found = tuple(map(type, values))
        if types_found not in self._good:
            for name, found, allowed in zip(self.names, types_found, self._allowed, strict=True):
                if allowed and found not in allowed:
                    raise SchemaError(f"{name}: a {found.__name__} is not expected here")
            self._good.add(types_found)
        return values

    def record(self, plain: object) -> T:
        """The record from a dict. Raises SchemaError."""
        return self.cls(*self.values(plain))

    def _completed(self, plain: dict[str, Any]) -> tuple[Any, ...]:
        whole = {**self._defaults, **plain}
        missing = [name for name in self.names if name not in whole]
        if missing:
            raise SchemaError(f"{missing[0]}: missing")
        return self._items(whole)


def records(plain: object, convert: Callable[[Any], T], what: str) -> dict[str, T]:
    """Records by id from plain ones by id. Raises SchemaError, which names the record."""
    found: dict[str, T] = {}
    for key, value in dict_of(plain, what).items():
        if type(key) is not str:
            raise SchemaError(f"{what}: expected an id, found a {type(key).__name__}")
        try:
            found[key] = convert(value)
        except SchemaError as error:
            raise SchemaError(f"{what}: {key}: {error}") from None
    return found


def dict_of(plain: object, what: str) -> dict[str, Any]:
    """The value if it is a dict. Raises SchemaError."""
    if type(plain) is not dict:
        raise SchemaError(f"{what}: expected a dict, found a {type(plain).__name__}")
    return plain


def texts(plain: object, what: str) -> tuple[str, ...]:
    """A list of strings as a tuple. Raises SchemaError."""
    if type(plain) not in (list, tuple) or not all(type(item) is str for item in typing.cast("list[object]", plain)):
        raise SchemaError(f"{what}: not a list of strings")
    return tuple(typing.cast("list[str]", plain))


def simplified(value: object) -> object:
    """The value in plain containers: subclasses of str, int, ... become their base type.

    Raises TypeError for values without a plain form.
    """
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case Mapping():
            return {simplified(key): simplified(item) for key, item in value.items()}
        case tuple():
            return tuple(simplified(item) for item in value)
        case list():
            return [simplified(item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no plain form")


def _defaults(cls: Any) -> dict[str, Any]:
    """The defaults of optional fields."""
    defaults = {}
    for item in dataclasses.fields(cls):
        if item.default is not dataclasses.MISSING:
            defaults[item.name] = item.default
        elif item.default_factory is not dataclasses.MISSING:
            defaults[item.name] = item.default_factory()
    return defaults


_PLAIN: Mapping[object, type] = {Mapping: dict, tuple: tuple}


def _allowed(hint: object) -> frozenset[type]:
    """The types allowed for a plain value with this annotation; empty: any."""
    if hint is object:
        return frozenset()
    if isinstance(hint, types.UnionType):
        return frozenset().union(*(_allowed(part) for part in typing.get_args(hint)))
    origin = typing.get_origin(hint)
    if origin is not None:
        return frozenset({_PLAIN.get(origin, dict)})
    if hint is float:
        return frozenset({float, int})
    assert isinstance(hint, type)
    return frozenset({str if issubclass(hint, str) else hint})
