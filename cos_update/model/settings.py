"""The settings, as frozen dataclasses; `cos_update.config` fills them from config.yaml.

Durations are in seconds. Secrets are excluded from `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cos_update.model.concertim import ApiFlavour


class ReadScope(StrEnum):
    """How OpenStack is read."""

    AUTO = "auto"
    """Cloud-wide where a service allows that to these credentials, else per project."""
    CLOUD = "cloud"
    """Cloud-wide only; services that refuse are not read."""
    PROJECT = "project"
    """One session per watched project."""


class ViewFor(StrEnum):
    """The services that `view.pickle` is written for: existing deployments load it with their own classes."""

    NONE = "none"
    """No other services: it is our own memory, in plain containers."""
    CON_OPSTK = "con_opstk"
    """The first generation (releases 0.1 to 1.1), where racks belong to users."""
    CONSER = "conser"
    """The second generation (1.2 and later), where racks belong to teams."""


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """The section `openstack`."""

    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    """keystoneauth's own keys (auth_url, username, password, project_name, application_credential_id, ...)."""
    auth_type: str | None = None
    """keystoneauth's plugin; None: inferred from the keys (password or v3applicationcredential)."""
    cloud: str | None = None
    """The name of a cloud in clouds.yaml, instead of `auth`."""
    region_name: str | None = None
    interface: str = "public"
    """Which endpoints of the catalog are used: public, internal or admin."""
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """Whether certificates must comply with RFC 5280 (None: Python's default, which is yes from 3.13 on);
    chain and host name are verified in any case."""
    scope: ReadScope = ReadScope.AUTO
    concurrency: int = 8
    """Maximum number of concurrent requests."""
    timeout: float = 60.0
    """Timeout of a response."""
    retries: int = 3
    """How often a failed request is tried again."""
    watcher_user: str = "concertim"
    watcher_role: str = "watcher"
    """A project is watched when this user has this role in it."""


@dataclass(frozen=True, slots=True)
class ConcertimSettings:
    """The section `concertim`."""

    url: str
    username: str
    password: str = field(repr=False)
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """Whether certificates must comply with RFC 5280 (None: Python's default, which is yes from 3.13 on);
    chain and host name are verified in any case."""
    api: ApiFlavour | None = None
    """The app's API; None: detect it."""
    concurrency: int = 3
    """Maximum number of concurrent writes; lowered while the app is slow."""
    timeout: float = 300.0
    """Timeout of a response. The app needs minutes to list a large number of devices."""
    retries: int = 3
    default_rack_height: int = 42
    """Height of a new rack in rack units, unless its devices need more."""
    order_id: str = "stack_id"
    """The order id of a new rack: `stack_id`, `tag:NAME` for the value of the stack's tag `NAME=value`, or one of
    `KILLBILL_ORDERS`, to be looked up."""


KILLBILL_SUBSCRIPTION, KILLBILL_BUNDLE = "killbill", "killbill_bundle"
KILLBILL_ORDERS = (KILLBILL_SUBSCRIPTION, KILLBILL_BUNDLE)
"""Values of `concertim.order_id` for lookups in Killbill: the id of the stack's subscription, or of its bundle."""


@dataclass(frozen=True, slots=True)
class KillbillSettings:
    """The section `killbill`, shared with the billing service; read only if order ids are looked up there."""

    url: str
    username: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """As in the other sections."""


@dataclass(frozen=True, slots=True)
class CoordinationSettings:
    """The section `coordination`: where several machines agree on which of them posts what."""

    backend_url: str = field(repr=False)
    """tooz's own address of the engine; it may hold a password."""
    shards: int = 1
    """Into how many parts the watched projects are parted, each posted by one machine at a time."""
    lease: int = 15
    """How long a machine that is gone or cut off keeps its shards."""
    site: str = ""
    """What this machine is called; "": its host name."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """The section `rmq`."""

    hosts: tuple[str, ...]
    """Host names; each may have its own `:port`."""
    username: str
    password: str = field(repr=False)
    port: int = 5672
    virtual_host: str = "/"
    tls: bool = False
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """Whether certificates must comply with RFC 5280 (None: Python's default, which is yes from 3.13 on);
    chain and host name are verified in any case."""
    client_cert: str | None = None
    client_key: str | None = None
    exchanges: tuple[str, ...] = ("nova", "heat", "cinder", "neutron", "keystone", "openstack")
    topics: tuple[str, ...] = ("notifications", "versioned_notifications")
    """Topics; the priorities `info`, `warn` and `error` of each are bound."""
    queue: str = "cos-update"
    """The name of our own queue (a shard's number is appended)."""
    queue_type: str = "classic"
    """classic or quorum."""
    single_active_consumer: bool = False
    shard_index: int = 0
    shard_count: int = 1
    max_length: int = 100_000
    """Messages that our queue may hold before the broker drops the oldest."""
    expires: float = 7 * 24 * 3600.0
    """How long the broker keeps our queue without a consumer."""
    prefetch: int = 20_000
    """Maximum number of unacknowledged messages, which can be coalesced. Only the key of each is kept."""
    heartbeat: int = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """All of config.yaml. Sections that a command does not need may be None."""

    openstack: CloudSettings | None = None
    concertim: ConcertimSettings | None = None
    rmq: BrokerSettings | None = None
    killbill: KillbillSettings | None = None
    """None also if `concertim.order_id` does not use it: then the section is the billing service's alone."""
    coordination: CoordinationSettings | None = None
    """None if this is the only machine."""
    data_dir: Path = Path("/var/lib/concertim-openstack-service/data")
    log_dir: Path = Path("/var/log/concertim-openstack-service")
    log_level: str = "INFO"
    log_format: str = "text"
    """text or json."""
    interval: float = 150.0
    """From the start of one bulk pass to the start of the next."""
    max_deletes: float = 30.0
    """Maximum percentage of managed objects that one pass may remove; more are held back (if more than 10)."""
    full_read_every: int = 24
    """Number of passes within which every device of Concertim is read in full, an equal share in each."""
    full_cloud_read_every: int = 12
    """Every how many passes all of OpenStack is read, and not only changes; 1: in each."""
    membership_refresh: int = 96
    """Every how many passes the resources of every stack are read from Heat."""
    shutdown_timeout: float = 8.0
    """How long a stopping process may take to finish its work; Docker kills after 10 s by default."""
    view_for: ViewFor | None = None
    """The services that view.pickle is written for; None: those of the existing file."""
    source: Path | None = None
    """The file that this was read from."""
