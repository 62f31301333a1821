"""Stand-ins for the other services' classes: a pickle contains only an object's class name and attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from sys import modules
from types import ModuleType
from typing import Any


def stand_in(module: str, name: str) -> type:
    """An empty class with that module and name."""
    return type(name, (), {"__module__": module})


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of one generation of services; there is no `team` where racks belong to users."""

    view: type
    device: type
    rack: type
    user: type
    template: type
    location: type
    team: type | None = None

    def each(self) -> tuple[type, ...]:
        return tuple(cls for item in fields(self) if (cls := getattr(self, item.name)) is not None)


def instance(cls: type, attributes: dict[str, Any]) -> Any:
    """An object of a stand-in with these attributes."""
    made: Any = object.__new__(cls)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@dataclass(frozen=True, slots=True)
class Translation:
    """A view as objects of one generation, and descriptions of what it could not include, by Concertim id."""

    view: Any
    classes: Classes
    left_out: dict[str, str] = field(default_factory=dict)


@contextmanager
def importable(classes: Iterable[type]) -> Iterator[None]:
    """Makes stand-ins importable within the context, as pickling requires.

    Not thread-safe: the caller must pickle in one thread at a time.
    """
    found = tuple(classes)
    names = sorted({name for cls in found for name in _with_parents(cls.__module__)})
    before = {name: modules.get(name) for name in names}
    made = {name: ModuleType(name) for name in names}
    for cls in found:
        setattr(made[cls.__module__], cls.__name__, cls)
    modules.update(made)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del modules[name]
            else:
                modules[name] = module


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))
