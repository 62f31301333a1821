"""Remarks on a configuration: how values were interpreted, and which decisions are left to the operator."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from cos_update.config.document import Guess, Item
from cos_update.config.keys import SAMPLE_VALUES
from cos_update.model.settings import Settings
from cos_update.model.tls import how_to_trust


def taken(item: Item, value: object, *, secret: bool = False) -> str:
    """How a scalar was read, if YAML would read it differently or part of it was dropped; else ""."""
    if not isinstance(item.value, str):
        return ""
    written = item.value
    remark = ""
    match value:
        case bool() if item.guess is Guess.TEXT:
            remark = f"{written!r} is read as {str(value).lower()}"
        case int() | float() if not isinstance(value, bool):
            if item.guess is Guess.TEXT or re.match(r"[+-]?0[0-9]", written.strip()):
                remark = f"{_quoted(item)} is read as the number {value:g}"
        case str() if secret:
            remark = _secret(item, value)
        case str() if item.guess is not Guess.TEXT:
            remark = f"read as the string {value!r}, though YAML would read {item.guess}"
        case str() if written != written.strip():
            remark = f"the white space around {value!r} is stripped"
    return remark


def _secret(item: Item, value: str) -> str:
    if item.guess is not Guess.TEXT:
        return f"read as a string, though YAML would read {item.guess}"
    if value != value.strip():
        return "it begins or ends with white space, which is kept as part of it"
    return "it is empty, which RabbitMQ refuses by default" if not value else ""


def is_unedited(item: Item) -> bool:
    """Whether a value is still the sample's placeholder, which cannot be right."""
    name = item.key.rpartition(".")[2]
    return isinstance(item.value, str) and item.value in SAMPLE_VALUES.get(name, ())


def decisions(settings: Settings, given: Collection[str]) -> Iterator[str]:
    """The decisions left to the operator, most serious first. `given` are the file's keys (`concertim.verify`)."""
    for section, address in _encrypted(settings):
        verify = getattr(settings, section).verify
        if verify is False:
            yield (
                f"{section}.verify: off, so anybody between this host and {address} can read the password and "
                f"alter requests. {how_to_trust(section, address)}"
            )
        elif not any(f"{section}.{name}" in given for name in ("verify", "cacert", "insecure")):
            yield (
                f"{section}.verify: not set, so {address} must present a certificate that this machine trusts. If "
                f"it is self-signed or from a private CA: {how_to_trust(section, address)}"
            )


def order_id(killbill: Item | None) -> str:
    """The decision on order ids if there is a section `killbill` with a key and `order_id` is not set; else ""."""
    entries = killbill.value if killbill is not None and isinstance(killbill.value, dict) else {}
    key = entries.get("apikey")
    if key is None or key.is_null or not key.value:
        return ""
    return (
        "concertim.order_id: not set, so a new rack's order id is its stack's id, which the billing service of the "
        "section killbill does not know. If it bills by order id, add the line `order_id: killbill` (the id of the "
        "stack's subscription) or `order_id: killbill_bundle` (the id of its bundle) under `concertim:`."
    )


def _encrypted(settings: Settings) -> Iterator[tuple[str, str]]:
    """The sections that use TLS, and the address of each one's peer."""
    if settings.concertim is not None and settings.concertim.url.startswith("https:"):
        yield "concertim", settings.concertim.url
    if settings.openstack is not None and settings.openstack.auth.get("auth_url", "").startswith("https:"):
        yield "openstack", settings.openstack.auth["auth_url"]
    if settings.killbill is not None and settings.killbill.url.startswith("https:"):
        yield "killbill", settings.killbill.url
    if settings.rmq is not None and settings.rmq.tls:
        host = settings.rmq.hosts[0]
        has_port = re.search(r"(?:^[^:]*|\]):[0-9]+$", host)
        yield "rmq", host if has_port else f"{host}:{settings.rmq.port}"


def _quoted(item: Item) -> str:
    return repr(item.value) if item.guess is Guess.TEXT else str(item.value)
