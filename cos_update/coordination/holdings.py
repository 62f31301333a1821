"""What a site holds, published by the process that keeps its leases to the others of the data dir, in a small file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cos_update import files
from cos_update.coordination.clock import boot_id

FILE = "leases.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """One shard that is held: `good_until` on the clock of leases, `since` as Unix time.

    `epoch` is unique to this holding; a later holding by the same site has another one. With `is_leaving`, nothing new
    may begin under it, because it is about to be handed over.
    """

    epoch: str
    since: float
    good_until: float
    is_leaving: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A site that takes part: what it holds, by shard since when (Unix time).

    A site whose passes fail is not fit, for example because it cannot reach Concertim: fit sites take over from it.
    """

    site: str
    shards: int
    held: Mapping[int, float] = field(default_factory=dict)
    is_fit: bool = True


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a site holds, and what it knows of the others. `trouble` says why it holds less than its share, or ""."""

    site: str = ""
    shards: int = 1
    leases: Mapping[int, Lease] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    trouble: str = ""
    takeovers: int = 0
    """How many times a shard was taken since the keeper started."""

    def is_good(self, shard: int, epoch: str, now: float) -> bool:
        """Whether this particular holding of a shard is known to be valid."""
        lease = self.leases.get(shard)
        return lease is not None and lease.epoch == epoch and now < lease.good_until

    def usable(self, now: float) -> dict[int, Lease]:
        """The leases under which something new may begin."""
        return {n: lease for n, lease in self.leases.items() if now < lease.good_until and not lease.is_leaving}


class HoldingsFile:
    """The file, in the data dir. Only the keeper writes it. Thread-safe."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE
        self._boot_id = boot_id()
        self._seen: tuple[int, int, int] | None = None
        self._known = Holdings()

    def write(self, holdings: Holdings) -> None:
        """Publishes the holdings. Raises OSError."""
        document = {"schema": SCHEMA, "boot_id": self._boot_id, "pid": os.getpid(), **asdict(holdings)}
        with files.replacing(self.path, self.path.with_name(f".{FILE}.tmp"), durable=False) as new:
            new.file.write(json.dumps(document).encode() + b"\n")
            new.put_in_place()

    def read(self) -> Holdings:
        """What the keeper published last; nothing is held without a file of this boot."""
        try:
            found = self.path.stat()
            mark = (found.st_mtime_ns, found.st_ino, found.st_size)
            if mark != self._seen:
                # The mark is taken first, so that a concurrent write is noticed next time.
                self._known = _holdings(json.loads(self.path.read_bytes()), self._boot_id)
                self._seen = mark
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Holdings()
        return self._known


def _holdings(document: Any, boot: str) -> Holdings:
    is_ours = document["schema"] == SCHEMA and document["boot_id"] == boot
    return Holdings(
        site=str(document["site"]),
        shards=int(document["shards"]),
        leases={int(n): Lease(**lease) for n, lease in document["leases"].items()} if is_ours else {},
        members=tuple(
            Member(m["site"], m["shards"], {int(n): since for n, since in m["held"].items()}, m["is_fit"])
            for m in document["members"]
        ),
        trouble=str(document["trouble"]),
        takeovers=int(document["takeovers"]),
    )
