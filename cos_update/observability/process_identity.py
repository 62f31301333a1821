"""Which process a process id means: ids are used again, and each container counts its own."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_DEAD = ("Z", "X")
"""States of what has ended and is only still listed, for want of a parent that asks (proc(5))."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """What, with its id, makes a process known again."""

    boot: str
    """The kernel's id of this boot."""
    namespace: str
    """The namespace in which its id counts."""
    start: int
    """When it started, in clock ticks since the boot."""


def own_identity() -> ProcessIdentity | None:
    """That of this process; None where there is no /proc to tell."""
    with contextlib.suppress(OSError, ValueError):
        _, start = _stat("self")
        return ProcessIdentity(*_here(), start)
    return None


def is_gone(pid: int, identity: ProcessIdentity) -> bool:
    """Whether that process has certainly ended. One of another boot or namespace cannot be seen from here."""
    try:
        if (identity.boot, identity.namespace) != _here():
            return False
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        # Somebody else's process is there, or nothing can be told.
        pass
    with contextlib.suppress(OSError, ValueError):
        state, start = _stat(str(pid))
        return state in _DEAD or start != identity.start
    return False


def _here() -> tuple[str, str]:
    return _BOOT.read_text().strip(), os.readlink(_NAMESPACE)


def _stat(pid: str) -> tuple[str, int]:
    """State and start of a process, from proc(5). The name before them may hold anything, brackets included."""
    fields = Path("/proc", pid, "stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[19])
