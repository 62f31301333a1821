"""This machine: the configuration file, the folders, the view."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cos_update.concurrency import files
from cos_update.config import holds_secrets
from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.model.settings import Settings
from cos_update.preflight.finding import Finding, fail, failed, ok, warn
from cos_update.store import SCHEMA, BadView, ViewStore


def configuration(settings: Settings, warnings: tuple[str, ...]) -> Iterator[Finding]:
    """The file was read; what is odd about it."""
    yield ok("config", str(settings.source))
    for warning in warnings:
        yield warn("config", warning)
    source = settings.source
    if source is not None and source.stat().st_mode & stat.S_IROTH and holds_secrets(source):
        yield warn("config", "readable by everybody, and it holds passwords", f"chmod 640 {source}")
    for name, section in (("openstack", settings.openstack), ("concertim", settings.concertim)):
        if section is None:
            yield fail("config", f"the section {name} is missing", "cos-update config sample shows what belongs there")
    for name in _unverified(settings):
        fix = f"set {name}.verify to true, or to the path of the CA's certificates"
        yield warn("config", f"{name}: TLS certificates are not verified", fix)


def _unverified(settings: Settings) -> Iterator[str]:
    """The sections that don't verify TLS."""
    if settings.openstack is not None and settings.openstack.verify is False:
        yield "openstack"
    if settings.concertim is not None and settings.concertim.verify is False:
        yield "concertim"
    if settings.rmq is not None and settings.rmq.tls and settings.rmq.verify is False:
        yield "rmq"


def folders(settings: Settings) -> Iterator[Finding]:
    """Whether both folders can be written, by writing; and whether the view can be read."""
    store = ViewStore(settings.data_dir, "check")
    try:
        store.prepare()
        yield ok("data dir", str(settings.data_dir))
    except CosUpdateError as error:
        yield failed("data dir", error)
    yield _log_dir(settings.log_dir)
    yield _files(settings)
    try:
        view = store.peek()
    except BadView as error:
        yield warn("view", str(error).rstrip("."), "nothing to do: the next pass sets it aside and builds it anew")
    except ViewError as error:
        yield failed("view", error)
    else:
        yield ok("view", f"saved by {view.saved_by}, schema {SCHEMA}" if view else "none yet: the first pass makes it")


def _files(settings: Settings) -> Finding:
    wanted = files.needed(settings)
    left = files.left(wanted)
    text = f"{left} more files and connections may be opened, up to {wanted} are needed"
    return ok("files", text) if left >= wanted else fail("files", text, files.HINT)


def _log_dir(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok("log dir", str(folder))
    except OSError as error:
        fix = f"mkdir -p {folder} && chown -R {os.geteuid()} {folder} (this runs as uid {os.geteuid()})"
        return fail("log dir", f"{folder} cannot be written: {error.strerror}", fix)
