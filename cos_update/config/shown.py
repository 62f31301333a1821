"""The settings in the form of config.yaml, with all defaults and with secrets hidden."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cos_update.config.keys import KEYSTONE, SECRETS, SECTIONS, SHARD, TOP, Key, Secret
from cos_update.config.yaml_text import yaml_text
from cos_update.model.settings import Settings

HIDDEN = "(hidden)"


def shown(settings: Settings) -> str:
    """The settings in effect as YAML with config.yaml's keys; secrets are "(hidden)"."""
    whole: dict[str, Any] = _values(settings, TOP)
    for name, keys in SECTIONS.items():
        section = getattr(settings, name)
        if section is None:
            continue
        values = _values(section, keys)
        if name == "openstack":
            values = {key: section.auth[key] for key in KEYSTONE if key in section.auth} | values
        if name == "rmq":
            values["shard"] = _values(section, SHARD)
        values |= {secret.name: HIDDEN for secret in SECRETS[name] if _value(section, secret)}
        if name != "coordination":
            values["verify"] = _verify(section.verify, section.verify_strict)
        whole[name] = values
    return yaml_text(whole, width=1000)


def secrets(settings: Settings) -> frozenset[str]:
    """Every secret value in the settings, for the log redactor."""
    sections = ((getattr(settings, name), known) for name, known in SECRETS.items())
    values = (_value(section, secret) for section, known in sections if section is not None for secret in known)
    inner = urlsplit(settings.coordination.backend_url).password if settings.coordination else None
    return frozenset(value for value in (*values, inner) if value)


def _verify(verify: bool | str, strict: bool | None) -> object:
    if strict is None:
        return verify
    return ({"ca": verify} if isinstance(verify, str) else {}) | {"strict": strict}


def _value(section: Any, secret: Secret) -> str:
    return str(getattr(section, secret.field) if secret.field else section.auth.get(secret.name, ""))


def _values(section: object, keys: Iterable[Key]) -> dict[str, Any]:
    found = {key.name: _plain(getattr(section, key.field)) for key in keys}
    for name in found.keys() & {"api", "view_for"}:
        found[name] = found[name] or "auto"
    if "rmq_path" in found:
        host = found["rmq_path"]
        found["rmq_path"] = host if host == "/" else f"/{host}"
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: object) -> object:
    match value:
        case StrEnum():
            return value.value
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case float() if value.is_integer():
            return int(value)
    return value
