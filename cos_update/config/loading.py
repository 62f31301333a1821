"""config.yaml and the environment -> settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, overload

from cos_update.config import remarks
from cos_update.config.document import Item, read
from cos_update.config.keys import ALIASES, BILLING, FOREIGN, SECRETS, SECTIONS, SHARD, TOP, VERIFICATION
from cos_update.config.reading import Fault, Reading
from cos_update.config.sections import known_keys, read_section
from cos_update.config.unknown import meant_by, unknown, unknown_items
from cos_update.model.errors import ConfigError, ConfigErrors
from cos_update.model.masked import Masked
from cos_update.model.settings import (
    KILLBILL_ORDERS,
    BrokerSettings,
    CloudSettings,
    ConcertimSettings,
    Settings,
    ViewFor,
)

DEFAULT_PATH = Path("/etc/concertim-openstack-service/config.yaml")

_INDISPENSABLE = ("openstack", "concertim")
_Section = CloudSettings | ConcertimSettings | BrokerSettings
_KNOWN_AT_TOP = frozenset({key.name for key in TOP} | set(SECTIONS))
_SECRET_KEYS = frozenset(secret.name for group in SECRETS.values() for secret in group) | {
    alias for alias, name in ALIASES.items() if name == "password"
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, without unusable sections, and remarks on the file, one sentence each."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    """Oddities that are not errors."""
    faults: tuple[Fault, ...] = ()
    """Errors, in the order of the lines."""
    notes: tuple[str, ...] = ()
    """How values were interpreted, where that is not obvious."""
    decisions: tuple[str, ...] = ()
    """Decisions left to the operator."""
    order_id_advice: str = ""
    """The decision on order ids, if a billing service is configured and `order_id` is not."""
    unedited: tuple[ConfigError, ...] = ()
    """Errors for the keys that still have the sample's placeholder."""
    holds_secrets: bool = False
    """Whether the file itself contains a secret."""
    has_billing: bool = False
    """Whether the file configures a billing platform, for other services."""
    _absent: Mapping[str, ConfigError] = field(default_factory=dict)

    def need(self, *sections: str) -> None:
        """Raises ConfigError for every error in these sections and at the top level, and for missing sections."""
        sections = _with_riders(sections)
        wrong = [fault.error for fault in self.faults if fault.section in ("", *sections)]
        broken = {fault.section for fault in self.faults}
        wrong += [error for name, error in self._absent.items() if name in sections and name not in broken]
        _raise(wrong)

    def wrong(self) -> list[ConfigError]:
        """Everything that keeps an installation from working: faults, missing sections, and placeholders."""
        broken = {fault.section for fault in self.faults}
        needed = _with_riders(_INDISPENSABLE)
        missing = [self._absent[name] for name in needed if name in self._absent and name not in broken]
        return [fault.error for fault in self.faults] + missing + list(self.unedited)

    def is_broken(self, section: str) -> bool:
        """Whether a section that is present has errors."""
        return any(fault.section == section for fault in self.faults)

    def need_all(self) -> None:
        """Raises ConfigError for every error in the file."""
        _raise(self.wrong())

    def warnings_for(self, *sections: str) -> tuple[Masked, ...]:
        """The warnings of a command that needs only these sections: oddities, and errors in other sections."""
        sections = _with_riders(sections)
        others = [fault for fault in self.faults if fault.section not in ("", *sections)]
        wrong = [f"{fault.error} The section {fault.section} is not needed here." for fault in others]
        return tuple(map(Masked, (*self.warnings, *wrong)))


def config_path(option: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to read: from the option, else from COS_UPDATE_CONFIG, else the default."""
    return option or Path(environ.get("COS_UPDATE_CONFIG") or DEFAULT_PATH)


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Reads and validates the file; secrets and folders may come from the environment.

    Errors in single values are part of the result, and `Loaded.need` raises them. Raises ConfigError for a file that
    cannot be read at all.
    """
    document = read(path, _KNOWN_AT_TOP, _SECRET_KEYS)
    reading = Reading(environ)
    for key, error in document.faults:
        reading.add(key.partition(".")[0], error)
        reading.unreadable.add(key)
    entries = document.root.entries()
    values = reading.values("", entries, TOP)
    for folder, variable in (("data_dir", "COS_UPDATE_DATA_DIR"), ("log_dir", "COS_UPDATE_LOG_DIR")):
        if environ.get(variable):
            values[folder] = Path(environ[variable]).absolute()
    if word := environ.get("COS_UPDATE_VIEW_FOR"):
        with reading.noting(""):
            values["view_for"] = _view_for(word.strip().lower())
    warnings = unknown(document.root, _KNOWN_AT_TOP | FOREIGN)
    read_names = []
    for name in SECTIONS:
        section = entries.get(name)
        if name == "killbill" and not _looks_up_orders(values.get("concertim")):
            reading.faults = [fault for fault in reading.faults if fault.section != name]
            continue
        if name != "coordination":
            read_names.append(name)
        elif blank := _blank(document.root, name):
            # Without the section, this machine would post as if it were the only one.
            text = "empty. Without it, this machine takes itself to be the only one."
            reading.add(name, blank.error(text, "Add coordination.backend_url, or remove the section."))
        if section is not None and not section.is_null:
            values[name] = read_section(reading, name, section)
            warnings += _unknown_within(name, section) if name != "killbill" else []
    broken = {fault.section for fault in reading.faults}
    settings = Settings(source=path, **{name: value for name, value in values.items() if name not in broken})
    advice = "" if "concertim.order_id" in reading.given else remarks.order_id(entries.get("killbill"))
    return Loaded(
        settings,
        tuple(warnings),
        tuple(sorted(reading.faults, key=lambda fault: fault.error.line)),
        (*reading.notes, *_left_to_others(document.root, settings)),
        (*remarks.decisions(settings, reading.given), *filter(None, [advice])),
        advice,
        tuple(reading.unedited),
        bool(document.secrets),
        not BILLING.isdisjoint(_foreign(document.root)),
        {name: _absent(document.root, name) for name in read_names if values.get(name) is None},
    )


@overload
def require(settings: Settings, name: Literal["openstack"]) -> CloudSettings: ...
@overload
def require(settings: Settings, name: Literal["concertim"]) -> ConcertimSettings: ...
@overload
def require(settings: Settings, name: Literal["rmq"]) -> BrokerSettings: ...
def require(settings: Settings, name: Literal["openstack", "concertim", "rmq"]) -> _Section:
    """The section of that name. Raises ConfigError if it is missing."""
    section: _Section | None = getattr(settings, name)
    if section is None:
        raise _missing_section(settings.source or "The configuration", name)
    return section


def _view_for(word: str) -> ViewFor | None:
    known = ["auto", *ViewFor]
    if word not in known:
        raise ConfigError(f"COS_UPDATE_VIEW_FOR is {word!r:.40}, where one of {', '.join(known)} is expected.")
    return None if word == "auto" else ViewFor(word)


def _missing_section(source: object, name: str, meant: str = "") -> ConfigError:
    hint = "`cos-update config sample` shows what belongs in it."
    return ConfigError(f"{source}: the section {name} is missing, and it is needed here.", meant or hint)


def _raise(wrong: Sequence[ConfigError]) -> None:
    if wrong:
        raise wrong[0] if len(wrong) == 1 else ConfigErrors(wrong)


def _absent(root: Item, name: str) -> ConfigError:
    return _missing_section(root.file, name, meant_by(name, unknown_items(root, _KNOWN_AT_TOP | FOREIGN)))


def _unknown_within(name: str, section: Item) -> list[str]:
    warnings = unknown(section, known_keys(name))
    within = section.value if isinstance(section.value, dict) else {}
    for inner, keys in (("verify", VERIFICATION), ("shard", SHARD)):
        if inner in within and inner in known_keys(name):
            warnings += unknown(within[inner], {key.name for key in keys})
    return warnings


def _with_riders(sections: Sequence[str]) -> tuple[str, ...]:
    """With the sections that go with the one of Concertim, where they are there."""
    return (*sections, *(("killbill", "coordination") if "concertim" in sections else ()))


def _blank(root: Item, name: str) -> Item | None:
    """A section without content, if there is one of that name."""
    section = root.value.get(name) if isinstance(root.value, dict) else None
    return section if section is not None and (section.value is None or section.is_null) else None


def _looks_up_orders(section: object) -> bool:
    return isinstance(section, ConcertimSettings) and section.order_id in KILLBILL_ORDERS


def _foreign(root: Item) -> list[str]:
    """The keys of other services."""
    return [name for name in root.value if name in FOREIGN] if isinstance(root.value, dict) else []


def _left_to_others(root: Item, settings: Settings) -> Iterator[str]:
    used = {"killbill"} if settings.killbill is not None else set()
    if names := [name for name in _foreign(root) if name not in used]:
        yield f"left to the other services that share this file: {', '.join(names)}"
