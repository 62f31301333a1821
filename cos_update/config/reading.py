"""Collects what comes up while a file's values are read: faults, and notes on how values were interpreted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from cos_update.config import remarks
from cos_update.config.document import Item
from cos_update.config.keys import SECTIONS, Key
from cos_update.config.readers import AS_WRITTEN
from cos_update.model.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fault:
    """An error in a section, or at the top level (section "")."""

    section: str
    error: ConfigError


class Reading:
    """The state of reading one file, value by value, together with the environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[Fault] = []
        self._notes: list[tuple[int, str]] = []
        self.unedited: list[ConfigError] = []
        self.given: set[str] = set()
        """The keys read so far."""
        self.unreadable: set[str] = set()
        """The keys that are malformed in the file itself; their values are not read."""

    def add(self, section: str, error: ConfigError) -> None:
        """Records a fault of a section; unknown section names count as the top level."""
        self.faults.append(Fault(section if section in SECTIONS else "", error))

    @property
    def notes(self) -> list[str]:
        """The notes, in the order of the lines."""
        return [f"line {line}: {text}" for line, text in sorted(self._notes, key=itemgetter(0))]

    def note(self, item: Item, text: str) -> None:
        """Records how a value was interpreted."""
        self._notes.append((item.line, f"{item.key}: {text}"))

    @contextmanager
    def noting(self, section: str) -> Iterator[None]:
        """Records a ConfigError instead of raising it."""
        try:
            yield
        except ConfigError as error:
            self.add(section, error)

    def is_broken(self, section: str) -> bool:
        """Whether a section has faults."""
        return any(fault.section == section for fault in self.faults)

    def values(self, section: str, entries: Mapping[str, Item], keys: Iterable[Key]) -> dict[str, Any]:
        """Settings field -> value, of the keys that are present and valid."""
        found: dict[str, Any] = {}
        for key in keys:
            item = entries.get(key.name)
            if item is None or item.key in self.unreadable or (item.is_null and key.read not in AS_WRITTEN):
                continue
            with self.noting(section):
                found[key.field] = self.value(item, key.read(item))
        return found

    def value(self, item: Item, value: Any, *, secret: bool = False) -> Any:
        """The value, after recording how it was interpreted."""
        self.given.add(item.key)
        if remark := remarks.taken(item, value, secret=secret):
            self.note(item, remark)
        if remarks.is_unedited(item):
            self.unedited.append(item.error("still the sample's placeholder.", "Replace it with your own value."))
        return value
