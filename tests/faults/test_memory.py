"""A daemon does not grow."""

from __future__ import annotations

import os
from pathlib import Path

from world import Pass

PASSES = int(os.environ.get("PASSES", "60"))


def _resident() -> int:
    """Bytes of memory in use by this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def test_memory_does_not_grow_from_pass_to_pass(world, one_pass: Pass) -> None:  # type: ignore[no-untyped-def]
    for side in (world.openstack, world.concertim):
        side.wire.keep_requests = False
    for _ in range(PASSES // 3):
        one_pass()
    before = _resident()
    for _ in range(PASSES - PASSES // 3):
        one_pass()
    assert _resident() - before < 12 * 1024 * 1024
