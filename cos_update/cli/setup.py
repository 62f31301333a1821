"""What the commands that work on both sides share: the tools from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cos_update import config
from cos_update.cli.context import Context
from cos_update.concertim.client import ConcertimClient
from cos_update.observability.log_lines import begin_run
from cos_update.openstack.inventory import CloudReader
from cos_update.store import ViewStore
from cos_update.sync.services import Services


@contextmanager
def services(context: Context, process: str, *, daemon: bool = False) -> Iterator[Services]:
    """Both clients and the view's store, closed at the end. Raises ConfigError, CosUpdateError for want of rights."""
    context.require_rights()
    log_file: Literal["bulk", "listen"] | None = (
        "bulk" if process == "bulk" else "listen" if process == "listen" else None
    )
    needed = ("openstack", "concertim", "rmq") if process == "listen" else ("openstack", "concertim")
    settings = context.settings_with_logging(*needed, process=log_file, daemon=daemon)
    if process == "listen" and settings.rmq is not None and settings.rmq.shard_count > 1:
        process = f"{process}-{settings.rmq.shard_index}"
    cloud_settings = config.require(settings, "openstack")
    concertim_settings = config.require(settings, "concertim")
    cloud = CloudReader(cloud_settings)
    cloud.request_id = begin_run()
    with ConcertimClient(concertim_settings) as concertim:
        yield Services(cloud, concertim, ViewStore(settings.data_dir, process), settings, concertim_settings)
    cloud.close()
