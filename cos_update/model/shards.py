"""Which part of the watched projects is whose: every project is of exactly one shard.

By project, since a rack is posted by one hand, and all that a project holds stands in racks of its own.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


def shard_of(project_id: str, count: int) -> int:
    """The shard of a project, of `count`; the same on every machine and in every release."""
    return zlib.crc32(project_id.encode(errors="replace")) % count


@dataclass(frozen=True, slots=True)
class Shards:
    """Some shards of `count`, and so the projects that are theirs."""

    held: frozenset[int]
    count: int

    def covers(self, project_id: str) -> bool:
        """Whether a project is of one of these shards."""
        return shard_of(project_id, self.count) in self.held

    @property
    def is_everything(self) -> bool:
        """Whether every project is of one of them."""
        return len(self.held) == self.count

    @property
    def is_first(self) -> bool:
        """Whether it is their business what belongs to no project and is to be done once: that of shard 0."""
        return 0 in self.held
