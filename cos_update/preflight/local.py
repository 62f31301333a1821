"""Checks this machine: the configuration file, the folders, the view."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cos_update import files
from cos_update.concurrency import open_files
from cos_update.config import Loaded
from cos_update.file_hints import hint, words
from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.model.settings import Settings
from cos_update.observability.logs import FILES
from cos_update.preflight.finding import Finding, fail, failed, ok, warn
from cos_update.preflight.shared_view import shared_view
from cos_update.store import SCHEMA, BadView, ViewStore, rehearse

_PROBE_SIZE = 4096


def configuration(loaded: Loaded) -> Iterator[Finding]:
    """Findings on the configuration file, its oddities and its errors."""
    source = loaded.settings.source
    yield ok("config", str(source))
    for warning in loaded.warnings:
        yield warn("config", warning)
    if source is not None and source.stat().st_mode & stat.S_IROTH and loaded.holds_secrets:
        yield warn("config", "contains passwords and is world-readable", f"chmod 640 {source}")
    if loaded.order_id_advice:
        yield warn("config", loaded.order_id_advice)
    for error in loaded.wrong():
        yield failed("config", error)
    for name in _unverified(loaded.settings):
        fix = f"set {name}.verify to true, or to the path of the CA's certificates"
        yield warn("config", f"{name}: TLS certificates are not verified", fix)


def _unverified(settings: Settings) -> Iterator[str]:
    """The sections that do not verify TLS."""
    if settings.openstack is not None and settings.openstack.verify is False:
        yield "openstack"
    if settings.concertim is not None and settings.concertim.verify is False:
        yield "concertim"
    if settings.killbill is not None and settings.killbill.verify is False:
        yield "killbill"
    if settings.rmq is not None and settings.rmq.tls and settings.rmq.verify is False:
        yield "rmq"


def folders(settings: Settings) -> Iterator[Finding]:
    """Whether the daemons can write to both folders, by writing as they do, and whether the view can be read."""
    store = ViewStore(settings.data_dir, "check")
    try:
        done_without = store.prepare()
        rehearse(store)
        lacks = "; its file system does not support: " if done_without else ""
        yield ok("data dir", f"{settings.data_dir}{lacks}{', '.join(done_without)}")
    except CosUpdateError as error:
        yield failed("data dir", error)
    yield _log_dir(settings.log_dir)
    yield _open_files(settings)
    view = None
    try:
        view = store.peek()
    except BadView as error:
        yield warn("view", str(error).rstrip("."), "nothing to do: the next pass sets it aside and rebuilds it")
    except ViewError as error:
        yield failed("view", error)
        return
    else:
        yield ok("view", f"saved by {view.saved_by}, schema {SCHEMA}" if view else "none yet: the first pass writes it")
    yield from shared_view(settings, store, view)


def _open_files(settings: Settings) -> Finding:
    wanted = open_files.needed(settings)
    left = open_files.left(wanted)
    text = f"{left} more files and connections may be opened, up to {wanted} are needed"
    return ok("open files", text) if left >= wanted else fail("open files", text, open_files.HINT)


def _log_dir(folder: Path) -> Finding:
    for name in FILES.values():
        path = folder / name
        was_there = path.exists()
        try:
            os.close(files.append_to(path))
        except OSError as error:
            return fail("log dir", f"{path} cannot be written: {words(error)}", hint(error, path))
        if not was_there:
            with contextlib.suppress(OSError):
                path.unlink()
    probe = folder / ".check.tmp"
    try:
        with files.replacing(probe, probe) as new:
            new.file.write(bytes(_PROBE_SIZE))
            new.file.flush()
    except OSError as error:
        return fail("log dir", f"{folder} cannot be written: {words(error)}", hint(error, probe))
    return ok("log dir", str(folder))
