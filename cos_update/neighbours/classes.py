"""Stand-ins for the other services' classes: a pickle names a class and holds an object's attributes, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from sys import modules
from types import ModuleType
from typing import Any


def stand_in(module: str, name: str) -> type:
    """An empty class of that name, which says that it is of that module."""
    return type(name, (), {"__module__": module})


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of one generation of services; `team` is missing where racks belong to users."""

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
    """A view in the terms of one generation, and in words what had to be left out of it, by Concertim id."""

    view: Any
    classes: Classes
    left_out: dict[str, str] = field(default_factory=dict)


@contextmanager
def importable(classes: Iterable[type]) -> Iterator[None]:
    """Makes stand-ins importable by their names for the time of the context, which pickling wants to see.

    Not thread-safe: pickling in one thread at a time is the caller's business.
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
