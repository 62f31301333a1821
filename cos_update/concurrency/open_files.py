"""How many files and connections this process may have open: what is left of the limit, and what it will take."""

from __future__ import annotations

import errno
import os
import resource

from cos_update.file_hints import hint
from cos_update.model.settings import Settings

TOO_MANY = (errno.EMFILE, errno.ENFILE)
"""The process, or the whole machine, may open no further file."""
HINT = hint(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
HOSTS = 6
"""Keystone and the services may each have a host of their own, with connections that are kept for later."""
BASE = 32
"""Files besides connections: standard ones, logs, view, journal, locks, what a resolver and TLS read meanwhile."""


def needed(settings: Settings) -> int:
    """The most files that a command with these settings may have open at once, its broker's connections included."""
    cloud, app = settings.openstack, settings.concertim
    connections = (HOSTS * cloud.concurrency if cloud else 0) + (2 * app.concurrency + 4 if app else 0)
    return BASE + connections


def left(wanted: int = 0) -> int:
    """How many more files may be opened; the limit is raised for `wanted` ones, as far as that is allowed."""
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
