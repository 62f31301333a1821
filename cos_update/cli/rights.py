"""What the user of this process may not do and has to, all at once, with the commands that fix it."""

from __future__ import annotations

import os
from pathlib import Path

from cos_update.config import is_readable
from cos_update.model.errors import CosUpdateError


def require(config: Path, data_dir: Path, log_dir: Path) -> None:
    """Raises CosUpdateError when the configuration may not be read or the data dir not be written.

    It then also names a log dir that may not be written, without which the daemons would work. What is not there, or on
    a file system that nobody may write, is no question of rights.
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
