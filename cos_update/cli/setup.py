"""What the commands that work on both sides share: the tools from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cos_update import config
from cos_update.cli.context import Context
from cos_update.concertim.client import ConcertimClient
from cos_update.concurrency import files
from cos_update.model.errors import ConfigError
from cos_update.observability.logs import begin_run
from cos_update.openstack.inventory import CloudReader
from cos_update.store import ViewStore
from cos_update.sync.reconciler import Services


@contextmanager
def services(context: Context, process: str, *, daemon: bool = False) -> Iterator[Services]:
    """Both clients and the view's store, closed at the end. Raises ConfigError."""
    log_file: Literal["bulk", "listen"] | None = (
        "bulk" if process == "bulk" else "listen" if process == "listen" else None
    )
    settings = context.settings_with_logging(log_file, daemon=daemon)
    if process == "listen" and settings.rmq is not None and settings.rmq.shard_count > 1:
        process = f"{process}-{settings.rmq.shard_index}"
    cloud_settings = config.require(settings, "openstack")
    concertim_settings = config.require(settings, "concertim")
    wanted = files.needed(settings)
    if (left := files.left(wanted)) < wanted:
        raise ConfigError(
            f"Only {left} more files and connections may be opened, and up to {wanted} are needed.",
            f"{files.HINT} Or lower openstack.concurrency and concertim.concurrency.",
        )
    cloud = CloudReader(cloud_settings)
    cloud.request_id = begin_run()
    with ConcertimClient(concertim_settings) as concertim:
        yield Services(cloud, concertim, ViewStore(settings.data_dir, process), settings, concertim_settings)
    cloud.close()
