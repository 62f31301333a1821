"""Sharding of the watched projects: every project belongs to exactly one shard.

Projects are the unit because a rack must have a single writer, and a project's objects are all in its own racks.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


def shard_of(project_id: str, count: int) -> int:
    """The shard, out of `count`, that a project belongs to; the same on every machine and in every release."""
    return zlib.crc32(project_id.encode(errors="replace")) % count


@dataclass(frozen=True, slots=True)
class Shards:
    """Some of `count` shards, and thereby their projects."""

    held: frozenset[int]
    count: int

    def covers(self, project_id: str) -> bool:
        """Whether a project belongs to one of these shards."""
        return shard_of(project_id, self.count) in self.held

    @property
    def is_everything(self) -> bool:
        """Whether these are all the shards."""
        return len(self.held) == self.count

    @property
    def is_first(self) -> bool:
        """Whether shard 0 is among them: its holder also does what belongs to no project and must be done once."""
        return 0 in self.held
