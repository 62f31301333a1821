"""Hints for the operating system's file errors, each of which has its own fix."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_HINTS = {
    errno.ENOSPC: "Make room on its disk (df -h, df -i).",
    errno.EDQUOT: "The quota on its disk is used up: make room there, or raise the quota.",
    errno.EROFS: "It is on a read-only file system: mount it writable, or use another folder in the configuration.",
    errno.EACCES: "This runs as uid {uid}: chown -R {uid} {folder} (or what is mounted there)",
    errno.EPERM: (
        "This runs as uid {uid}: chown -R {uid} {folder} (or what is mounted there); if it is that user's already, it "
        "is marked immutable (lsattr {path}), or the file system or a security module forbids it."
    ),
    errno.EBUSY: "It is mounted by itself, and so cannot be replaced: mount its folder, {folder}, instead.",
    errno.EXDEV: "It is mounted by itself, and so cannot be replaced: mount its folder, {folder}, instead.",
    errno.EIO: "The disk or its storage is failing: see the kernel's messages (dmesg).",
    errno.ENAMETOOLONG: "Use a folder with a shorter path in the configuration.",
    errno.ELOOP: "It is a symbolic link, which is not followed here: replace it by a file.",
    errno.EMLINK: "Remove its other name (find {folder} -samefile {path}), or have another user own the folder.",
    errno.EMFILE: "This process may open too few files: raise its limit (ulimit -n, LimitNOFILE=).",
    errno.ENFILE: "The host has too many files open: raise fs.file-max, or find out what holds them (lsof).",
    errno.ENOMEM: "The host, or the limit of this container, leaves too little memory.",
    errno.ENOENT: "Create the folder: mkdir -p {folder}",
    errno.ENOTDIR: "A part of its path is a file: use a folder in the configuration.",
    errno.EISDIR: "It is a folder: move it away.",
    errno.EEXIST: "Something else has that name: move it away.",
    errno.ENOTEMPTY: "It is a folder that is not empty: move it away.",
    errno.ENXIO: "It is a pipe without a reader, or a device: replace it by a file.",
    errno.EFBIG: "It is larger than this process (ulimit -f) or the file system allows.",
    errno.ESTALE: "The network file system has lost it: remount it.",
    errno.ENOTCONN: "The server of this file system has died: remount it.",
    errno.ETIMEDOUT: "The network file system does not answer: see its server and the network.",
    errno.EHOSTDOWN: "The network file system does not answer: see its server and the network.",
    errno.EREMOTEIO: "The network file system is failing: see its server and the kernel's messages (dmesg).",
    errno.ENOLCK: "Its file system has no locks: for NFS, start rpc.statd, or mount it with local_lock=flock.",
    errno.ENOSYS: "Its file system cannot do that: name a folder on another one in the configuration.",
    errno.ENOTSUP: "Its file system cannot do that: name a folder on another one in the configuration.",
    errno.EINVAL: "Its file system cannot do that: name a folder on another one in the configuration.",
}


def hint(error: OSError, path: Path | None = None) -> str:
    """A one-sentence hint for the error; "" if there is none.

    `path` is our file that it concerns. Without it, hints that depend on the owner are not possible.
    """
    found = _HINTS.get(error.errno or 0, "")
    if path is not None:
        return found.format(path=path, folder=path.parent, uid=os.geteuid())
    return "" if "{" in found else found


def words(error: OSError) -> str:
    """The system's message for the error."""
    return error.strerror or str(error) or type(error).__name__
