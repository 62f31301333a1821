"""The entry point of the container images: runs `cos-update` as an unprivileged user.

Docker starts a container as root, in folders that belong to root. Root gives our files there to user 10001, opens the
configuration for it, and drops its privileges for good. If root lacks the capabilities for that (`--cap-drop ALL`),
and for any other user (`--user`, Kubernetes' `runAsNonRoot`), the program runs as the user who started it.
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
    """Runs `cos-update` with the arguments, after dropping root's privileges where that is possible."""
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
    """The command that drops root for good: no child can regain privileges, not even by a set-user-ID file."""
    command = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    return [*command, "--bounding-set=-all"] if _SETPCAP in capabilities else command


def _capabilities() -> set[int]:
    """The numbers of the effective capabilities (proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return {number for number in range(mask.bit_length()) if mask >> number & 1}
    return set()


def _is_mapped() -> bool:
    """Whether this user namespace maps the user and group (user_namespaces(7))."""

    def holds(kind: str, wanted: int) -> bool:
        ranges = (line.split() for line in Path(f"/proc/self/{kind}_map").read_text().splitlines())
        return any(int(first) <= wanted < int(first) + int(count) for first, _, count in ranges)

    return holds("uid", UID) and holds("gid", GID)


def _hold_sigterm() -> None:
    """Blocks SIGTERM until the program handles it: as PID 1 of a container, it would lose the signal otherwise."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _opened(path: Path) -> dict[str, str]:
    """Opens the configuration for the unprivileged user; the environment variable that passes the descriptor on."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_inheritable(handle, True)
        return {config.OPENED: str(handle)}
    return {}


def _home() -> str:
    """The home directory of the user."""
    try:
        return pwd.getpwuid(UID).pw_dir
    except KeyError:
        return "/"
