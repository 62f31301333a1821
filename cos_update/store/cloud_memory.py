"""The plain form of the cloud memory in the view: rows instead of dicts, since no other service reads them.

It is decoded only to read the cloud. If that fails, the cloud is read in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cos_update.model.cloud_memory import CloudMemory, Newest
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Address, Flavor, Network, Server, Volume
from cos_update.store.records import RecordSchema, SchemaError, dict_of, records, texts

KINDS = {kind.value: kind for kind in ResourceKind}
_FLAVOR = RecordSchema(Flavor)
_ADDRESS = RecordSchema(Address)
_VOLUME = RecordSchema(Volume)
_NETWORK = RecordSchema(Network)
_SERVER = RecordSchema(Server)
_FLAVOR_AT, _ADDRESSES_AT = _SERVER.names.index("flavor"), _SERVER.names.index("addresses")


class EncodedCloud:
    """The cloud memory of a loaded view: decoded on demand, once."""

    def __init__(self, plain: Mapping[str, Any]) -> None:
        self._plain: Mapping[str, Any] | None = plain
        self.decoded: CloudMemory | None = None
        """What `decode` has returned; None before."""

    def decode(self) -> CloudMemory | None:
        """The cloud memory; None if it is invalid."""
        plain = self._plain  # another thread may decode it meanwhile, to the same
        if plain is not None:
            with suppress(SchemaError):
                self.decoded = cloud_from(plain)
            self._plain = None
        return self.decoded

    def plain(self) -> Mapping[str, Any] | None:
        """The cloud memory in plain containers."""
        return self._plain if self.decoded is None else cloud_plain(self.decoded)


def cloud_plain(memory: CloudMemory) -> dict[str, Any]:
    """The cloud memory in plain containers."""
    return {
        "servers": [_server_row(server) for server in memory.servers.values()],
        "volumes": [_VOLUME.row(volume) for volume in memory.volumes.values()],
        "networks": [_NETWORK.row(network) for network in memory.networks.values()],
        "projects": sorted(memory.projects),
        "source": memory.source,
        "read_scopes": dict(memory.read_scopes),
        "clocks": dict(memory.clocks),
        "newest": {str(kind): [tuple(each) for each in newest] for kind, newest in memory.newest.items()},
        "unfiltered": sorted(memory.unfiltered),
        "listed": {str(kind): count for kind, count in memory.listed.items()},
        "ports": dict(memory.ports),
        "passes": memory.passes,
        "doubt": memory.doubt,
    }


def cloud_from(plain: Mapping[str, Any]) -> CloudMemory:
    """The cloud memory from plain containers. Raises SchemaError."""
    try:
        return CloudMemory(
            servers={server.id: server for server in map(_server, plain["servers"])},
            volumes={volume.id: volume for volume in map(_VOLUME.from_row, plain["volumes"])},
            networks={network.id: network for network in map(_NETWORK.from_row, plain["networks"])},
            projects=frozenset(texts(plain["projects"], "projects")),
            source=_of(str, plain["source"]),
            read_scopes=records(plain["read_scopes"], lambda value: _of(str, value), "read_scopes"),
            clocks=records(plain["clocks"], lambda value: _of(float, value), "clocks"),
            newest={
                KINDS[kind]: tuple(Newest(*texts(each, "newest")) for each in newest)
                for kind, newest in dict_of(plain["newest"], "newest").items()
            },
            unfiltered=frozenset(texts(plain["unfiltered"], "unfiltered")),
            listed={KINDS[k]: _of(int, v) for k, v in dict_of(plain["listed"], "listed").items()},
            ports=records(plain["ports"], lambda value: _of(int, value), "ports"),
            passes=_of(int, plain["passes"]),
            doubt=_of(str, plain["doubt"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise SchemaError(f"cloud memory: {error}") from None


def _server_row(server: Server) -> tuple[object, ...]:
    row = list(_SERVER.row(server))
    if server.flavor is not None:
        row[_FLAVOR_AT] = _FLAVOR.row(server.flavor)
    row[_ADDRESSES_AT] = tuple(map(_ADDRESS.row, server.addresses))
    return tuple(row)


def _server(plain: Any) -> Server:
    row = list(plain)
    if row[_FLAVOR_AT] is not None:
        row[_FLAVOR_AT] = _FLAVOR.from_row(row[_FLAVOR_AT])
    row[_ADDRESSES_AT] = tuple(map(_ADDRESS.from_row, row[_ADDRESSES_AT]))
    return _SERVER.from_row(row)


def _of(wanted: type, value: object) -> Any:
    if type(value) is not wanted:
        raise SchemaError(f"a {type(value).__name__} in place of a {wanted.__name__}")
    return value
