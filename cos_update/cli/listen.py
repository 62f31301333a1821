"""`cos-update listen`: OpenStack's changes in Concertim as they occur."""

from __future__ import annotations

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.model.exit_codes import ExitCode


@click.command(
    epilog="""\b
Examples:
  cos-update listen
  cos-update listen --drain
  cos-update listen --queue concertim.info --resync
"""
)
@click.option("--queue", metavar="NAME", help="Consume this existing queue, instead of one of our own.")
@click.option("--drain", is_flag=True, help="Process what is queued, then exit.")
@click.option("--resync", is_flag=True, help="Where messages may be lost, do a whole pass here; bulk need not run.")
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

    Reads the notifications of Nova, Heat, Cinder, Neutron and Keystone from RabbitMQ (section rmq of the
    configuration). Runs beside `bulk` on the same data directory.
    """
    if drain and metrics_port is not None:
        raise click.UsageError("--metrics-port does not go with --drain.")
    from cos_update import config
    from cos_update.cli.daemon_signals import heeded, hold_back
    from cos_update.cli.observers import MetricsOptions, watched
    from cos_update.cli.reload import Reload, either
    from cos_update.cli.setup import process_name, services, settings_for
    from cos_update.cli.stop import stopping
    from cos_update.listener.service import Listener, Task
    from cos_update.model.errors import ConfigError
    from cos_update.store import ViewStore

    metrics = MetricsOptions(metrics_port, metrics_address)
    if not drain:
        hold_back()
    reload = Reload(context, "listen", settings_for(context, "listen", daemon=not drain))
    if reload.settings.coordination is not None:
        raise ConfigError(
            "listen does not work with the section coordination yet: it would not know what other machines post.",
            "Run bulk on each machine, and no listener.",
        )
    process = process_name(reload.settings, "listen")
    store = ViewStore(reload.settings.data_dir, process)
    store.prepare()
    is_drained = False
    within = reload.settings.shutdown_timeout
    with store.sole(process), heeded(None if drain else reload.hang_up), stopping(within=within) as stop:
        while not stop.is_set():
            with services(reload.settings, process) as both:
                broker = config.require(both.settings, "rmq")
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
    stop.say(f"{stop.word}: not everything was worked off; the broker keeps the rest.")
    return ExitCode.IN_PART if listener.has_begun else stop.code
