"""Identifies processes beyond their ids, which are reused, and which each container numbers separately."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_DEAD = ("Z", "X")
"""States of a process that has ended but was not yet reaped by its parent (proc(5))."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """What identifies a process together with its id."""

    boot: str
    """The kernel's id of this boot."""
    namespace: str
    """The namespace of its process id."""
    start: int
    """Its start time, in clock ticks since boot."""


def own_identity() -> ProcessIdentity | None:
    """The identity of this process; None without /proc."""
    with contextlib.suppress(OSError, ValueError):
        _, start = _stat("self")
        return ProcessIdentity(*_here(), start)
    return None


def is_gone(pid: int, identity: ProcessIdentity) -> bool:
    """Whether that process has certainly ended. Processes of another boot or namespace are not visible here."""
    try:
        if (identity.boot, identity.namespace) != _here():
            return False
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        # The process belongs to somebody else, or nothing is known about it.
        pass
    with contextlib.suppress(OSError, ValueError):
        state, start = _stat(str(pid))
        return state in _DEAD or start != identity.start
    return False


def _here() -> tuple[str, str]:
    return _BOOT.read_text().strip(), os.readlink(_NAMESPACE)


def _stat(pid: str) -> tuple[str, int]:
    """State and start time of a process (proc(5)). The name before them may contain anything, even parentheses."""
    fields = Path("/proc", pid, "stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[19])
