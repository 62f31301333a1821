"""What watches a daemon: its log, its heartbeat and, if asked for, its metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import click

from cos_update.observability.heartbeat import Heart, file_of
from cos_update.observability.observer import DaemonPulse, Watcher, Watchers
from cos_update.observability.run_log import PassLog
from cos_update.store import ViewStore

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Where metrics are served; nowhere without a port. Raises UsageError when an address is given for nothing."""

    port: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.address is not None and self.port is None:
            raise click.UsageError("--metrics-address goes with --metrics-port.")


@contextmanager
def watched(
    process: Literal["bulk", "listen"], store: ViewStore, pulse: DaemonPulse, options: MetricsOptions
) -> Iterator[Watcher]:
    """Whom the daemon tells what happens; heart and metrics live as long as the context. Raises ConfigError.

    To be entered by the only daemon of the store's name, for it writes the heartbeat of that name.
    """
    watchers: list[Watcher] = [PassLog(logging.getLogger(f"cos_update.{process}")), pulse]
    with ExitStack() as held:
        if options.port is not None:
            from cos_update.observability.metrics import BulkMetrics, ListenMetrics

            metrics = (BulkMetrics if process == "bulk" else ListenMetrics)(store.path)
            metrics.follow(pulse.figures)
            held.enter_context(metrics.served(options.address or LOOPBACK, options.port))
            watchers.append(metrics)
        heartbeat = file_of(store.path.parent, store.process)
        held.enter_context(Heart(heartbeat, store.process, pulse.collect))
        yield Watchers(*watchers)
