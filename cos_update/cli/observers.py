"""The observers of a process: its log, its heartbeat and, on request, its metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cos_update.observability.heartbeat import HeartbeatWriter, file_of
from cos_update.observability.observer import Observer, ObserverGroup, StatusObserver
from cos_update.observability.run_log import RunLog
from cos_update.store import ViewStore

if TYPE_CHECKING:
    from cos_update.sync.services import Services

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Where metrics are served; without a port they are not. Raises UsageError for an address without a port."""

    port: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.address is not None and self.port is None:
            raise click.UsageError("--metrics-address goes with --metrics-port.")


@contextmanager
def observed_once(services: Services, metrics_file: Path | None) -> Iterator[Observer]:
    """The observers of `bulk --once`: its log, its heartbeat, and metrics if a file for them is given.

    Raises ConfigError if metrics are not available, or their file cannot be written.
    """
    from cos_update.sync.daemon import BulkStatus

    store = services.store
    status = BulkStatus(services, None)
    observers: list[Observer] = [RunLog(), status]
    with ExitStack() as held:
        if metrics_file is not None:
            from cos_update.observability.metrics import BulkMetrics

            metrics = BulkMetrics(store.path)
            held.callback(metrics.write, metrics_file)
            observers.append(metrics)
        heartbeat = file_of(store.path.parent, store.process)
        held.enter_context(HeartbeatWriter(heartbeat, store.process, status.collect))
        yield ObserverGroup(*observers)


@contextmanager
def watched(
    process: Literal["bulk", "listen"], store: ViewStore, status: StatusObserver, options: MetricsOptions
) -> Iterator[Observer]:
    """The observers of a daemon; heartbeat and metrics live as long as the context. Raises ConfigError.

    To be entered only by the process that holds the daemon lock of that name, since it writes that name's heartbeat.
    """
    observers: list[Observer] = [RunLog(logging.getLogger(f"cos_update.{process}")), status]
    with ExitStack() as held:
        if options.port is not None:
            from cos_update.observability.metrics import BulkMetrics, ListenMetrics

            metrics = (BulkMetrics if process == "bulk" else ListenMetrics)(store.layout.view)
            metrics.follow(status.figures)
            held.enter_context(metrics.served(options.address or LOOPBACK, options.port))
            observers.append(metrics)
        heartbeat = file_of(store.path.parent, store.process)
        held.enter_context(HeartbeatWriter(heartbeat, store.process, status.collect))
        yield ObserverGroup(*observers)
