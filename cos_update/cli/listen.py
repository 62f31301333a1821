"""`cos-update listen`: posts OpenStack's changes to Concertim as they occur."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.model.exit_codes import ExitCode

if TYPE_CHECKING:
    from cos_update.cli.observers import MetricsOptions
    from cos_update.coordination.site import Site
    from cos_update.model.settings import BrokerSettings, Settings
    from cos_update.sync.services import Services


@click.command(
    epilog="""\b
Examples:
  cos-update listen
  cos-update listen --drain
  cos-update listen --queue concertim.info --resync
"""
)
@click.option("--queue", metavar="NAME", help="Consume this existing queue instead of declaring one.")
@click.option("--drain", is_flag=True, help="Process what is queued, then exit.")
@click.option("--resync", is_flag=True, help="Run a full pass here when messages may be lost; bulk need not run.")
@options.metrics_port
@options.metrics_address
@pass_context
def listen(
    context: Context,
    queue: str | None,
    drain: bool,
    resync: bool,
    metrics_port: int | None,
    metrics_address: str | None,
) -> ExitCode:
    """Post OpenStack's changes to Concertim as they occur.

    Consumes the notifications of Nova, Heat, Cinder, Neutron and Keystone from RabbitMQ (section rmq of the
    configuration). Runs alongside `bulk` on the same data directory.
    """
    if drain and metrics_port is not None:
        raise click.UsageError("--metrics-port does not go with --drain.")
    from cos_update import config
    from cos_update.cli.daemon_signals import handling, hold_back
    from cos_update.cli.observers import MetricsOptions, watched
    from cos_update.cli.reload import Reload, either
    from cos_update.cli.setup import process_name, services, settings_for
    from cos_update.cli.stop import stopping
    from cos_update.listener.service import Listener, Task
    from cos_update.store import ViewStore

    metrics = MetricsOptions(metrics_port, metrics_address)
    if not drain:
        hold_back()
    reload = Reload(context, "listen", settings_for(context, "listen", daemon=not drain))
    _require_possible(reload.settings, queue, drain=drain)
    process = process_name(reload.settings, "listen")
    store = ViewStore(reload.settings.data_dir, process)
    store.prepare()
    is_drained = False
    within = reload.settings.shutdown_timeout
    with store.sole(process), handling(None if drain else reload.hang_up), stopping(within=within) as stop:
        while not stop.is_set():
            with services(reload.settings, process) as both:
                broker = config.require(both.settings, "rmq")
                if both.site is not None:
                    _listen_as_one_of_several(both, both.site, broker, queue, either(stop, reload.wanted), metrics)
                    reload.take()
                    continue
                listener = Listener(both, broker, Task(queue, drain=drain, resync=resync))
                with (
                    watched("listen", both.store, listener.status, metrics) as observer,
                    either(stop, reload.wanted) as ending,
                ):
                    is_drained = listener.run(ending, observer)
            if drain:
                break
            reload.take()
    if not drain or is_drained:
        return ExitCode.DONE
    if not stop.is_set():
        return ExitCode.IN_PART
    stop.say(f"{stop.word}: some messages were not processed; the broker keeps them.")
    return ExitCode.IN_PART if listener.has_begun else stop.code


def _require_possible(settings: Settings, queue: str | None, *, drain: bool) -> None:
    """Raises ConfigError for what does not go with the section coordination."""
    from cos_update.model.errors import ConfigError

    coordination = settings.coordination
    if coordination is None:
        return
    if settings.rmq is not None and settings.rmq.shard_count > 1:
        raise ConfigError("rmq.shard does not go with the section coordination.", "Set coordination.shards alone.")
    if drain:
        raise ConfigError("--drain does not go with the section coordination.", "Run listen without it.")
    if queue is not None and coordination.shards > 1:
        text = "--queue does not go with coordination.shards: each shard has a queue of its own."
        raise ConfigError(text, "Leave --queue out, or set coordination.shards to 1.")


def _listen_as_one_of_several(
    both: Services,
    site: Site,
    broker: BrokerSettings,
    queue: str | None,
    ending: AbstractContextManager[threading.Event],
    metrics: MetricsOptions,
) -> None:
    """Listens for what this machine holds, until it is told to end."""
    from cos_update.cli.observers import watched
    from cos_update.listener.sites import SiteListener
    from cos_update.sync.sharing import taking_part

    listener = SiteListener(both, site, broker, queue)
    with taking_part(both), watched("listen", both.store, listener.status, metrics) as observer, ending as end:
        listener.run(end, observer)
