"""Programs with mounts of their own."""

from __future__ import annotations

from pathlib import Path


def with_own_mounts(*options: str) -> list[str]:
    """The start of a command line: what follows runs in its own mount namespace, with more `options` of unshare.

    Where the root is no mount (after a chroot) its propagation cannot be made private, and need not be if no mount is
    shared.
    """
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    is_rootless = not any(line.split()[4] == "/" for line in mounts)
    unchanged = is_rootless and not any(" shared:" in line for line in mounts)
    return ["unshare", "--mount", "--propagation", "unchanged" if unchanged else "private", *options]
