"""Converts values to Concertim's own form, so that sent values compare equal to returned ones.

Rules observed on the app: NUL characters and text beyond a column's limit cause a 500; nulls in lists vanish;
1e30 is returned as an integer; integers beyond 31 bits are rejected; the rack's page splits `creation_output` on ", "
and each piece on "=".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from cos_update.model.openstack import Address, Output

SHORT_TEXT = 255
"""Maximum length of the app's text columns."""
MAX_INTEGER = 2**31 - 1
"""Maximum integer of the app's columns."""


def clean_text(value: str, limit: int | None = None) -> str:
    """`value` without characters that the app's database rejects (NUL, lone surrogates), cut to `limit` characters."""
    if "\0" in value:
        value = value.replace("\0", "")
    if not value.isascii():
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value if limit is None else value[:limit]


def timestamp(value: str) -> str:
    """A service's time as ISO 8601 with a zone: Cinder omits it, and means UTC like all services."""
    return value if not value or re.search(r"(Z|[+-]\d\d:?\d\d)$", value) else f"{value}Z"


def positive(value: int | None) -> int | None:
    """`value` if the app's templates accept it (1 to 2^31-1), else None: a diskless flavor has no disk to show."""
    return value if value is not None and 0 < value <= MAX_INTEGER else None


def canonical(value: object) -> object:
    """A JSON value as the app returns it: no nulls in lists, whole floats as integers, clean strings."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value if item is not None]
    if isinstance(value, float):
        return _canonical_number(value)
    return value


def _canonical_number(value: float) -> object:
    if not math.isfinite(value):
        return str(value)
    return int(Decimal(repr(value))) if value.is_integer() else value


def creation_output(outputs: Iterable[Output]) -> str:
    """The outputs of a stack as the rack's page parses them: `key=value, key2=value2`, ordered by key."""
    pieces = (f"{_escaped(output.key)}={_escaped(_plain(output.value))}" for output in outputs)
    return clean_text(", ".join(sorted(pieces)))


def stack_output(outputs: Iterable[Output]) -> dict[str, object]:
    """The outputs of a stack as typed values by key, for the rack's metadata."""
    return {clean_text(output.key): canonical(output.value) for output in sorted(outputs, key=lambda o: o.key)}


def address_list(addresses: Iterable[Address]) -> str:
    """Addresses in the format of the device's page: `network:address, network:address`, sorted."""
    return ", ".join(sorted(clean_text(f"{item.network}:{item.address}") for item in addresses))


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(canonical(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _escaped(text: str) -> str:
    while ", " in text:
        text = text.replace(", ", ",")
    return text.replace("=", "%3D")
