"""`cos-update listen`: OpenStack's changes in Concertim as they occur."""

from __future__ import annotations

import click

from cos_update.cli import options
from cos_update.cli.context import Context, pass_context
from cos_update.cli.exits import Exit


@click.command(
    epilog="""\b
Examples:
  cos-update listen
  cos-update listen --drain
  cos-update listen --queue concertim.info --resync
"""
)
@click.option("--queue", metavar="NAME", help="Consume this existing queue, instead of one of our own.")
@click.option("--drain", is_flag=True, help="Work off what is queued, then end.")
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
) -> Exit:
    """Post OpenStack's changes to Concertim as they occur.

    Reads the notifications of Nova, Heat, Cinder, Neutron and Keystone from RabbitMQ (section rmq of the
    configuration). Runs beside `bulk` on the same data directory.
    """
    if drain and metrics_port is not None:
        raise click.UsageError("--metrics-port does not go with --drain.")
    from cos_update import config
    from cos_update.cli.observers import MetricsOptions, watched
    from cos_update.cli.setup import services
    from cos_update.cli.signals import stopping
    from cos_update.listener.service import Listener, Task

    metrics = MetricsOptions(metrics_port, metrics_address)
    with services(context, "listen", daemon=not drain) as both:
        broker = config.require(both.settings, "rmq")
        both.store.prepare()
        with stopping(within=both.settings.shutdown_timeout) as stop, both.store.sole(both.store.process):
            listener = Listener(both, broker, Task(queue, drain=drain, resync=resync))
            with watched("listen", both.store, listener.status, metrics) as observer:
                is_drained = listener.run(stop, observer)
    if not drain or is_drained:
        return Exit.OK
    if not (stop.is_terminated or stop.is_interrupted):
        return Exit.PARTIAL
    stop.say(f"{stop.word}: not everything was worked off; the broker keeps the rest.")
    return Exit.PARTIAL if listener.has_begun else stop.code
