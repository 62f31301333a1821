"""What the commands that work on both sides share: the tools from the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cos_update import config
from cos_update.concertim.client import ConcertimClient
from cos_update.model.settings import Settings
from cos_update.observability.log_lines import begin_run
from cos_update.openstack.inventory import CloudReader
from cos_update.store import ViewStore
from cos_update.sync.reconciler import Services


def process_name(settings: Settings, command: Literal["bulk", "listen"]) -> str:
    """The name by which a command's process is known in the data dir: each shard of the listener has its own."""
    if command == "listen" and settings.rmq is not None and settings.rmq.shard_count > 1:
        return f"{command}-{settings.rmq.shard_index}"
    return command


@contextmanager
def services(settings: Settings, process: str) -> Iterator[Services]:
    """Both clients and the view's store, closed at the end. Raises ConfigError."""
    cloud_settings = config.require(settings, "openstack")
    concertim_settings = config.require(settings, "concertim")
    cloud = CloudReader(cloud_settings)
    cloud.request_id = begin_run()
    with ConcertimClient(concertim_settings) as concertim:
        yield Services(cloud, concertim, ViewStore(settings.data_dir, process), settings, concertim_settings)
    cloud.close()
