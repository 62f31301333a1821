"""The limit on open files and connections: how much of it is left, and how much this process needs."""

from __future__ import annotations

import errno
import os
import resource

from cos_update.file_hints import hint
from cos_update.model.settings import Settings

TOO_MANY = (errno.EMFILE, errno.ENFILE)
"""Errors of a process, or a whole machine, that cannot open more files."""
HINT = hint(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
HOSTS = 6
"""Hosts that keep idle connections: Keystone and the services may each have their own."""
BASE = 32
"""Files besides connections: standard streams, logs, view, journal, locks, and those of the resolver and TLS."""


def needed(settings: Settings) -> int:
    """The maximum number of open files of a command with these settings, including broker connections."""
    cloud, app = settings.openstack, settings.concertim
    connections = (HOSTS * cloud.concurrency if cloud else 0) + (2 * app.concurrency + 4 if app else 0)
    return BASE + connections


def left(wanted: int = 0) -> int:
    """How many more files may be opened, after raising the limit for `wanted` ones as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    used = _used()
    if soft - used < wanted:
        raised = used + wanted if hard == resource.RLIM_INFINITY else min(used + wanted, hard)
        if raised > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return max(0, soft - used)


def _used() -> int:
    try:
        return len(os.listdir("/proc/self/fd")) - 1
    except OSError:
        return 3
