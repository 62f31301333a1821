"""Reports all missing file permissions at once, with the commands that fix them."""

from __future__ import annotations

import os
from pathlib import Path

from cos_update.config import is_readable
from cos_update.model.errors import CosUpdateError


def require(config: Path, data_dir: Path, log_dir: Path) -> None:
    """Raises CosUpdateError if the configuration is not readable or the data dir is not writable.

    The error also names a log dir that is not writable, though the daemons would run without it. Missing files and
    read-only file systems are not a matter of permissions, and are ignored here.
    """
    closed = config.exists() and not is_readable(config)
    folders = [str(folder) for folder in (data_dir, log_dir) if not _may_write(folder)]
    if not closed and str(data_dir) not in folders:
        return
    uid, gid = os.geteuid(), os.getegid()
    lacking, commands = [], []
    if closed:
        lacking.append(f"read {config}")
        commands.append(f"chgrp {gid} {config} && chmod 640 {config}")
    if folders:
        lacking.append(f"write {' and '.join(folders)}")
        commands.append(f"chown -R {uid}:{gid} {' '.join(folders)}")
    raise CosUpdateError(
        f"This runs as uid {uid} and gid {gid}, and may not {', nor '.join(lacking)}.",
        f"As root (in a container: on the host, for what is mounted there): {' && '.join(reversed(commands))}",
    )


def _may_write(folder: Path) -> bool:
    if not folder.is_dir() or os.statvfs(folder).f_flag & os.ST_RDONLY:
        return True
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)
