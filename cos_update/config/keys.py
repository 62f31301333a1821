"""Every key of config.yaml: the setting that it sets and the reader of its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cos_update.config import readers
from cos_update.config.readers import Reader
from cos_update.model.concertim import MAX_RACK_HEIGHT
from cos_update.model.settings import ReadScope


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: its name, the settings field, and the reader of its value."""

    name: str
    field: str
    read: Reader
    required: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that may also come from a file (`<name>_file`) or from the environment (`variable`, `<variable>_FILE`)."""

    name: str
    variable: str
    field: str = ""
    """The settings field that it sets; "" for keystoneauth's keys."""
    read: Reader = readers.secret


TOP: tuple[Key, ...] = (
    Key("log_level", "log_level", readers.log_level),
    Key("log_format", "log_format", readers.choice("text", "json")),
    Key("data_dir", "data_dir", readers.path),
    Key("log_dir", "log_dir", readers.path),
    Key("interval", "interval", readers.seconds),
    Key("max_deletes", "max_deletes", readers.percent),
    Key("full_read_every", "full_read_every", readers.whole(1)),
    Key("full_cloud_read_every", "full_cloud_read_every", readers.whole(1)),
    Key("membership_refresh", "membership_refresh", readers.whole(1)),
    Key("shutdown_timeout", "shutdown_timeout", readers.seconds),
    Key("view_for", "view_for", readers.view_for),
)

OPENSTACK: tuple[Key, ...] = (
    Key("cloud", "cloud", readers.text),
    Key("auth_type", "auth_type", readers.text),
    Key("region_name", "region_name", readers.text),
    Key("interface", "interface", readers.choice("public", "internal", "admin")),
    Key("scope", "scope", readers.member(ReadScope)),
    Key("concurrency", "concurrency", readers.whole(1, 64)),
    Key("timeout", "timeout", readers.seconds),
    Key("retries", "retries", readers.whole(0, 20)),
    Key("watcher_user", "watcher_user", readers.text),
    Key("watcher_role", "watcher_role", readers.text),
)

KEYSTONE: Mapping[str, Reader] = {
    "auth_url": readers.url,
    "username": readers.login,
    "user_id": readers.login,
    "user_domain_name": readers.identifier,
    "user_domain_id": readers.identifier,
    "project_name": readers.identifier,
    "project_id": readers.identifier,
    "project_domain_name": readers.identifier,
    "project_domain_id": readers.identifier,
    "domain_name": readers.identifier,
    "domain_id": readers.identifier,
    "default_domain_name": readers.identifier,
    "default_domain_id": readers.identifier,
    "system_scope": readers.text,
    "trust_id": readers.identifier,
    "application_credential_id": readers.identifier,
    "application_credential_name": readers.identifier,
}
"""keystoneauth's own keys, for passwords, application credentials and tokens; their secrets are in SECRETS."""

CONCERTIM: tuple[Key, ...] = (
    Key("concertim_url", "url", readers.url, required=True),
    Key("concertim_username", "username", readers.login, required=True),
    Key("default_rack_height", "default_rack_height", readers.whole(1, MAX_RACK_HEIGHT)),
    Key("api", "api", readers.flavour),
    Key("concurrency", "concurrency", readers.whole(1, 64)),
    Key("order_id", "order_id", readers.order_id),
    Key("timeout", "timeout", readers.seconds),
    Key("retries", "retries", readers.whole(0, 20)),
)

RMQ: tuple[Key, ...] = (
    Key("rmq_address", "hosts", readers.hosts, required=True),
    Key("rmq_username", "username", readers.login, required=True),
    Key("rmq_port", "port", readers.whole(1, 65535)),
    Key("rmq_path", "virtual_host", readers.virtual_host),
    Key("tls", "tls", readers.boolean),
    Key("client_cert", "client_cert", readers.near_path),
    Key("client_key", "client_key", readers.near_path),
    Key("exchanges", "exchanges", readers.names),
    Key("topics", "topics", readers.names),
    Key("queue", "queue", readers.text),
    Key("queue_type", "queue_type", readers.choice("classic", "quorum")),
    Key("single_active_consumer", "single_active_consumer", readers.boolean),
    Key("max_length", "max_length", readers.whole(1)),
    Key("expires", "expires", readers.seconds),
    Key("prefetch", "prefetch", readers.whole(1, 65535)),
    Key("heartbeat", "heartbeat", readers.whole(0, 65535)),
)

KILLBILL: tuple[Key, ...] = (
    Key("api_host", "url", readers.killbill_url, required=True),
    Key("username", "username", readers.login, required=True),
)

COORDINATION: tuple[Key, ...] = (
    Key("shards", "shards", readers.whole(1, 64)),
    Key("lease", "lease", readers.whole(3, 600)),
    Key("site", "site", readers.text),
)

SHARD: tuple[Key, ...] = (
    Key("count", "shard_count", readers.whole(1)),
    Key("index", "shard_index", readers.whole(0)),
)
"""The keys of `rmq.shard`."""

SECTIONS: Mapping[str, tuple[Key, ...]] = {
    "openstack": OPENSTACK,
    "concertim": CONCERTIM,
    "rmq": RMQ,
    "killbill": KILLBILL,
    "coordination": COORDINATION,
}

SECRETS: Mapping[str, tuple[Secret, ...]] = {
    "openstack": (
        Secret("password", "COS_UPDATE_OPENSTACK_PASSWORD"),
        Secret("application_credential_secret", "COS_UPDATE_OPENSTACK_APPLICATION_CREDENTIAL_SECRET"),
        Secret("token", "COS_UPDATE_OPENSTACK_TOKEN"),
    ),
    "concertim": (Secret("concertim_password", "COS_UPDATE_CONCERTIM_PASSWORD", "password"),),
    "rmq": (Secret("rmq_password", "COS_UPDATE_RMQ_PASSWORD", "password", readers.empty_or_secret),),
    "killbill": (
        Secret("password", "COS_UPDATE_KILLBILL_PASSWORD", "password"),
        Secret("apikey", "COS_UPDATE_KILLBILL_APIKEY", "api_key"),
        Secret("apisecret", "COS_UPDATE_KILLBILL_APISECRET", "api_secret"),
    ),
    "coordination": (Secret("backend_url", "COS_UPDATE_COORDINATION_BACKEND_URL", "backend_url", readers.backend_url),),
}

VERIFICATION: tuple[Key, ...] = (
    Key("ca", "verify", readers.near_path),
    Key("strict", "verify_strict", readers.boolean),
)
"""The keys of `verify` in its mapping form."""

VERIFY = ("verify", "cacert", "insecure")
"""The keys that configure TLS verification in each section; all of them set `verify`."""

ALIASES: Mapping[str, str] = {
    "admin_user_id": "user_id",
    "admin_user_password": "password",
    "admin_project_id": "project_id",
}
"""Aliases in the section openstack, as the previous update handlers named these keys."""

FOREIGN = frozenset(
    {
        "api_server", "billing", "billing_app", "billing_platform", "ceilometer", "cloud_type", "cloudkitty",
        "credit_threshold", "gnocchi", "hostbill", "killbill", "message_queue", "metrics", "payment", "payments",
        "sleep_timer",
    }
)  # fmt: skip
"""Top-level keys of the other services that share the file."""
BILLING = frozenset({"billing", "billing_app", "billing_platform", "cloudkitty", "hostbill", "killbill"})
"""The ones that only an installation with a billing platform has."""

SAMPLE_VALUES: Mapping[str, frozenset[str]] = {
    "auth_url": frozenset({"https://openstack.example.com:5000/v3"}),
    "password": frozenset({"change-me"}),
    "application_credential_secret": frozenset({"change-me"}),
    "concertim_url": frozenset({"https://concertim.example.com"}),
    "concertim_password": frozenset({"change-me"}),
    "rmq_address": frozenset({"rabbitmq.example.com"}),
    "rmq_password": frozenset({"change-me"}),
}
"""The sample's placeholders, which every installation must replace."""

FOREIGN_KEYS: Mapping[str, frozenset[str]] = {
    "openstack": frozenset({"billing_enabled"}),
    "killbill": frozenset({"plan_name"}),
}
"""Keys of the other services within our sections."""
