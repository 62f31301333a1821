"""What the container images start: `cos-update`, as a user who may do nothing but its work.

Docker starts a container as root, in folders that belong to root. Root takes over what is ours there, opens the
configuration for its successor, and becomes user 10001 for good. Where root lacks the power for that
(`--cap-drop ALL`), and for any other user (`--user`, Kubernetes' `runAsNonRoot`), the program runs as who started it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cos_update import config
from cos_update.cli.main import cli, main
from cos_update.cli.ownership import DATA_FILES, LOG_FILES, ROOT, take_over

UID = GID = 10001
"""The user and group of the images."""

_SETGID, _SETUID, _SETPCAP = 6, 7, 8
"""Numbers of capabilities (linux/capability.h)."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `cos-update` with the arguments, without root's privileges where they can be given up."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    capabilities = _capabilities()
    if os.geteuid() != ROOT or not {_SETGID, _SETUID} <= capabilities or not _is_mapped():
        main(given)
    _hold_sigterm()
    options = cli.make_context("cos-update", list(given), resilient_parsing=True).params
    for folder, patterns in ((options["data_dir"], DATA_FILES), (options["log_dir"], LOG_FILES)):
        if folder is not None:
            take_over(folder, patterns, UID)
    environment = {**os.environ, "HOME": _home(), **_opened(config.config_path(options["config"], os.environ))}
    command = [*_without_privileges(capabilities), str(Path(sysconfig.get_path("scripts"), "cos-update")), *given]
    os.execvpe(command[0], command, environment)  # noqa: S606


def _without_privileges(capabilities: set[int]) -> list[str]:
    """What gives up root for good: nothing that it starts can get back what it had, not even by a set-user-ID file."""
    command = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    return [*command, "--bounding-set=-all"] if _SETPCAP in capabilities else command


def _capabilities() -> set[int]:
    """The numbers of those in effect (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return {number for number in range(mask.bit_length()) if mask >> number & 1}
    return set()


def _is_mapped() -> bool:
    """Whether there is such a user and group in this user namespace (user_namespaces(7))."""

    def holds(kind: str, wanted: int) -> bool:
        ranges = (line.split() for line in Path(f"/proc/self/{kind}_map").read_text().splitlines())
        return any(int(first) <= wanted < int(first) + int(count) for first, _, count in ranges)

    return holds("uid", UID) and holds("gid", GID)


def _hold_sigterm() -> None:
    """Keeps a SIGTERM until the program handles it: a container's first process would lose it otherwise."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _opened(path: Path) -> dict[str, str]:
    """The configuration, opened for a successor who may not open it: what says so in its environment."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_inheritable(handle, True)
        return {config.OPENED: str(handle)}
    return {}


def _home() -> str:
    """Where the user's own files would be."""
    try:
        return pwd.getpwuid(UID).pw_dir
    except KeyError:
        return "/"
