"""This machine: the configuration file, the folders, the view."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cos_update.checks.finding import Finding, fail, failed, ok, warn
from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.model.settings import CloudSettings, ConcertimSettings, Settings
from cos_update.view import ViewStore


def configuration(settings: Settings, warnings: tuple[str, ...]) -> Iterator[Finding]:
    """The file was read; what is odd about it."""
    yield ok("config", str(settings.source))
    for warning in warnings:
        yield warn("config", warning)
    if settings.source is not None and settings.source.stat().st_mode & stat.S_IROTH:
        yield warn("config", "readable by everybody", f"chmod 640 {settings.source}: it holds passwords")
    for name, section in (("openstack", settings.openstack), ("concertim", settings.concertim)):
        if section is None:
            yield fail("config", f"the section {name} is missing", "cos-update config sample shows what belongs there")
    yield from _unverified(settings)


def _unverified(settings: Settings) -> Iterator[Finding]:
    sections: tuple[tuple[str, CloudSettings | ConcertimSettings | None, bool], ...] = (
        ("openstack", settings.openstack, True),
        ("concertim", settings.concertim, True),
    )
    for name, section, _ in sections:
        if section is not None and section.verify is False:
            yield _verify_is_off(name)
    if settings.rmq is not None and settings.rmq.tls and settings.rmq.verify is False:
        yield _verify_is_off("rmq")


def _verify_is_off(section: str) -> Finding:
    mend = f"set {section}.verify to true, or to the path of the CA's certificates"
    return warn("config", f"{section}: TLS certificates are not verified", mend)


def folders(settings: Settings) -> Iterator[Finding]:
    """Whether both folders can be written, by writing; and whether the view can be read."""
    store = ViewStore(settings.data_dir, "check")
    try:
        store.prepare()
        yield ok("data dir", str(settings.data_dir))
    except CosUpdateError as error:
        yield failed("data dir", error)
    yield _log_dir(settings.log_dir)
    try:
        view = store.peek()
    except ViewError as error:
        yield warn("view", str(error), "it is set aside and built anew by the next pass")
    else:
        yield ok("view", f"saved by {view.saved_by}" if view else "none yet: the first pass makes it")


def _log_dir(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok("log dir", str(folder))
    except OSError as error:
        mend = f"mkdir -p {folder} && chown -R {os.getuid()} {folder} (this runs as uid {os.getuid()})"
        return fail("log dir", f"{folder} cannot be written: {error.strerror}", mend)
