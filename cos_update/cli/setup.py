"""Setup that the commands working on both sides share: settings, clients and the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from cos_update import config
from cos_update.cli.context import Context
from cos_update.concertim.client import ConcertimClient
from cos_update.concurrency import open_files
from cos_update.killbill.orders import OrderFinder
from cos_update.model.errors import ConfigError
from cos_update.model.settings import Settings
from cos_update.observability.log_lines import begin_run
from cos_update.openstack.inventory import CloudReader
from cos_update.store import ViewStore
from cos_update.sync.services import Services


def settings_for(context: Context, command: str, *, daemon: bool = False) -> Settings:
    """The settings with the sections that a command needs, after configuring logging for it.

    Raises ConfigError; CosUpdateError if permissions are missing.
    """
    context.require_rights()
    log_file: Literal["bulk", "listen"] | None = (
        "bulk" if command == "bulk" else "listen" if command == "listen" else None
    )
    return context.settings_with_logging(*needed_by(command), process=log_file, daemon=daemon)


def needed_by(command: str) -> tuple[str, ...]:
    """The sections of the configuration that a command needs."""
    return ("openstack", "concertim", "rmq") if command == "listen" else ("openstack", "concertim")


def process_name(settings: Settings, command: str) -> str:
    """The name of a command's process in the data dir; each shard of the listener has its own."""
    if command == "listen" and settings.rmq is not None and settings.rmq.shard_count > 1:
        return f"{command}-{settings.rmq.shard_index}"
    return command


@contextmanager
def services(settings: Settings, process: str, *, keeps: bool = False) -> Iterator[Services]:
    """Both clients and the view's store, closed at the end; `keeps` caches the view between loads.

    Raises ConfigError.
    """
    cloud_settings = config.require(settings, "openstack")
    concertim_settings = config.require(settings, "concertim")
    wanted = open_files.needed(settings)
    if (left := open_files.left(wanted)) < wanted:
        raise ConfigError(
            f"Only {left} more files and connections may be opened, and up to {wanted} are needed.",
            f"{open_files.HINT} Or lower openstack.concurrency and concertim.concurrency.",
        )
    cloud = CloudReader(cloud_settings)
    cloud.request_id = begin_run()
    fence, site = None, None
    if settings.coordination is not None:
        from cos_update.coordination.site import Site

        site = Site(settings.coordination, settings.data_dir)
        fence = site.fence
    orders = OrderFinder(settings.killbill, concertim_settings.order_id) if settings.killbill else None
    store = ViewStore(settings.data_dir, process, keeps=keeps)
    with ConcertimClient(concertim_settings, fence) as concertim:
        yield Services(cloud, concertim, store, settings, concertim_settings, orders=orders, site=site)
    if orders:
        orders.close()
    cloud.close()
