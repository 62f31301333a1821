"""The clock of leases: it keeps running during suspend, and all processes of one boot share it."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boottime() -> float:
    """Seconds since boot, including time in suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """The id of this boot, unique across machines; "" if the kernel does not provide it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
