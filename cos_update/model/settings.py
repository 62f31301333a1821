"""What a person can set, as frozen dataclasses; `cos_update.config` fills them from config.yaml.

Durations are seconds. Secrets are kept out of `repr`.
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
    """Cloud-wide where a service allows it to these credentials, per project where it does not."""
    CLOUD = "cloud"
    """Cloud-wide only; what is refused is not read."""
    PROJECT = "project"
    """One session per watched project."""


class ViewFor(StrEnum):
    """Whose classes `view.pickle` names: services of existing deployments load it with classes of their own."""

    NONE = "none"
    """Nobody's: it is our own memory, in plain containers."""
    CON_OPSTK = "con_opstk"
    """Those of the first generation (releases 0.1 to 1.1), where racks belong to users."""
    CONSER = "conser"
    """Those of the second (1.2 and later), where racks belong to teams."""


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """The section `openstack`."""

    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    """keystoneauth's own keys (auth_url, username, password, project_name, application_credential_id, ...)."""
    auth_type: str | None = None
    """keystoneauth's plugin; None: inferred from the keys (password or v3applicationcredential)."""
    cloud: str | None = None
    """The name of a cloud in clouds.yaml, in place of `auth`."""
    region_name: str | None = None
    interface: str = "public"
    """Which endpoints of the catalog are used: public, internal or admin."""
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """Whether certificates must also be such as RFC 5280 wants them (None: as Python has it, from 3.13 on they must);
    chain and host name are verified anyway."""
    scope: ReadScope = ReadScope.AUTO
    concurrency: int = 8
    """How many requests may be under way at once."""
    timeout: float = 60.0
    """How long one answer may take."""
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
    """Whether certificates must also be such as RFC 5280 wants them (None: as Python has it, from 3.13 on they must);
    chain and host name are verified anyway."""
    api: ApiFlavour | None = None
    """Which API the app speaks; None: ask it."""
    concurrency: int = 3
    """How many writes may be under way at once; lowered while the app is slow."""
    timeout: float = 300.0
    """How long one answer may take. The app needs minutes to list a large number of devices."""
    retries: int = 3
    default_rack_height: int = 42
    """Rack units of a new rack, unless its devices need more."""
    order_id: str = "stack_id"
    """What a new rack's order id is: `stack_id`, `tag:NAME` for the value of the stack's tag `NAME=value`, or one of
    `KILLBILL_ORDERS`, to be looked up."""


KILLBILL_SUBSCRIPTION, KILLBILL_BUNDLE = "killbill", "killbill_bundle"
KILLBILL_ORDERS = (KILLBILL_SUBSCRIPTION, KILLBILL_BUNDLE)
"""Values of `concertim.order_id` by which Killbill is asked: the id of the stack's subscription, or of its bundle."""


@dataclass(frozen=True, slots=True)
class KillbillSettings:
    """The section `killbill`, which is the billing service's; read only where order ids are looked up there."""

    url: str
    username: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """As of the other sections."""


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
    """Host names; each may carry its own `:port`."""
    username: str
    password: str = field(repr=False)
    port: int = 5672
    virtual_host: str = "/"
    tls: bool = False
    verify: bool | str = True
    """TLS verification: on, off, or the path of a CA bundle."""
    verify_strict: bool | None = None
    """Whether certificates must also be such as RFC 5280 wants them (None: as Python has it, from 3.13 on they must);
    chain and host name are verified anyway."""
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
    """How long the broker keeps our queue when nobody reads it."""
    prefetch: int = 20_000
    """How many unacknowledged messages we may hold, and so coalesce. Of each only the object that it names is kept."""
    heartbeat: int = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """All of config.yaml. Sections that a command does not need may be None."""

    openstack: CloudSettings | None = None
    concertim: ConcertimSettings | None = None
    rmq: BrokerSettings | None = None
    killbill: KillbillSettings | None = None
    """None also where `concertim.order_id` does not name it: it is left to the billing service."""
    coordination: CoordinationSettings | None = None
    """None on a machine that is the only one."""
    data_dir: Path = Path("/var/lib/concertim-openstack-service/data")
    log_dir: Path = Path("/var/log/concertim-openstack-service")
    log_level: str = "INFO"
    log_format: str = "text"
    """text or json."""
    interval: float = 150.0
    """From the start of one bulk pass to the start of the next."""
    max_deletes: float = 30.0
    """Percent of what we manage that one pass may remove; more is held back (when it is more than 10 objects)."""
    full_read_every: int = 24
    """Passes within which every device of Concertim is read in full again, an even share in each."""
    full_cloud_read_every: int = 12
    """Passes after which all of OpenStack is read again, and not only what has changed; 1: in each."""
    membership_refresh: int = 96
    """Passes after which the content of every stack is asked of Heat again."""
    shutdown_timeout: float = 8.0
    """How long a stopping process may take to finish its requests; Docker kills after 10 s unless told otherwise."""
    view_for: ViewFor | None = None
    """Whose view.pickle is written; None: that of whoever wrote the one that is there."""
    source: Path | None = None
    """The file that this was read from."""
