"""Prometheus metrics of the daemons. The client library comes with the extra `metrics` and is imported on demand."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cos_update.model.errors import ConfigError, CosUpdateError
from cos_update.model.exit_codes import ExitCode
from cos_update.observability.observer import Observer
from cos_update.planning.outcome import Outcome
from cos_update.planning.plan import NoticeKind
from cos_update.planning.report import Report

CLOSING = 1.0
"""Seconds to wait at the end for the thread of the HTTP server."""
MOST_TYPES = 300
"""Maximum number of notification types to distinguish: OpenStack has fewer, but they are external input."""
_RESULTS = {ExitCode.DONE: "done", ExitCode.IN_PART: "in_part", ExitCode.HELD_BACK: "held_back"}
_FAILED = "failed"
_PASS_SECONDS = (1, 2.5, 5, 10, 30, 60, 150, 300, 600, 1800, 3600)
_LAG_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

FIGURES: Mapping[str, tuple[str, bool]] = {
    "connected": ("Whether the listener consumes its queue (1) or not (0)", False),
    "queue_messages": ("Messages waiting in the queue when last looked at", False),
    "unacked_messages": ("Messages in the listener's hands", False),
    "messages": ("Messages delivered, redelivered ones included", True),
    "reconnects": ("Connections to RabbitMQ after the first", True),
    "quarantined": ("Messages that nobody could understand", True),
    "keys_dirty": ("Keys that a worker should take", False),
    "keys_processing": ("Keys that a worker has in hand", False),
    "keys_waiting": ("Keys that wait for their time, in backoff most often", False),
    "oldest_key_seconds": ("Age of the key that has waited longest", False),
}
"""The listener's figures of each scrape by name: the help text, and whether it is a counter."""
LEASE_FIGURES: Mapping[str, tuple[str, bool]] = {
    "leases": ("Shards whose leases this machine holds", False),
    "takeovers": ("Shards that this machine has taken over", True),
    "fenced": ("Writes held back because this machine was no longer sure of its lease", True),
}
"""The same of a machine that is not the only one."""


class Metrics(Observer):
    """The metrics of both daemons, in a separate registry; `view` is the view's file.

    Raises ConfigError when prometheus-client is not installed.
    """

    def __init__(self, view: Path) -> None:
        try:
            import prometheus_client
        except ImportError:
            raise ConfigError(
                "Metrics need prometheus-client, which is not installed.", "pip install 'cos-update[metrics]'"
            ) from None
        self._library = prometheus_client
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._actions = self._counter(
            "actions", "Calls to Concertim that were due, by result", "kind", "verb", "result"
        )
        saved = self._gauge("view_saved_timestamp_seconds", "When the view was last saved; 0 when it never was")
        saved.set_function(lambda: _mtime(view))

    def outcome(self, outcome: Outcome) -> None:
        action = outcome.action
        self._actions.labels(action.kind.label, action.verb.value, outcome.result.value).inc()

    def follow(self, figures: Callable[[], Mapping[str, float]]) -> None:
        """Shows at each scrape what `figures` gives then, by the names of `FIGURES`; must be quick."""
        self.registry.register(_Follower(figures))

    @contextmanager
    def served(self, address: str, port: int) -> Iterator[None]:
        """Serves scrapes in separate threads within the context. Raises ConfigError if it cannot listen."""
        try:
            server, thread = self._library.start_http_server(port, address, self.registry)
        except OSError as error:
            raise ConfigError(
                f"Metrics cannot be served at {address}:{port}: {error.strerror or error}.",
                "Choose another --metrics-port, or an address of this machine as --metrics-address.",
            ) from error
        try:
            yield
        finally:
            # It waits for the thread that serves, which may hang.
            threading.Thread(target=server.shutdown, name="metrics-end", daemon=True).start()
            thread.join(CLOSING)
            server.server_close()

    def write(self, path: Path) -> None:
        """Writes all of it into a file, at once and whole, as node_exporter's textfile collector reads it.

        Raises ConfigError.
        """
        try:
            self._library.write_to_textfile(str(path), self.registry)
        except OSError as error:
            raise ConfigError(
                f"Metrics cannot be written to {path}: {error.strerror or error}.", "Choose another --metrics-file."
            ) from error

    def _counter(self, name: str, text: str, *labels: str) -> Any:
        return self._library.Counter(f"cos_update_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Any:
        return self._library.Gauge(f"cos_update_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Any:
        return self._library.Histogram(f"cos_update_{name}", text, buckets=buckets, registry=self.registry)


class BulkMetrics(Metrics):
    """The metrics of `bulk`, with those of its passes."""

    def __init__(self, view: Path) -> None:
        super().__init__(view)
        self._began = time.monotonic()
        self._passes = self._counter("passes", "Passes that ended, by result", "result")
        for result in (*_RESULTS.values(), _FAILED):
            self._passes.labels(result)
        self._seconds = self._histogram("pass_seconds", "How long passes took, failed ones included", _PASS_SECONDS)
        self._last = self._gauge("last_pass_timestamp_seconds", "When a pass last ended, whatever its result")
        self._success = self._gauge("last_success_timestamp_seconds", "When a pass last ended with everything done")
        self._in_step = self._gauge("in_step", "Racks and devices that were as they should be at the last pass")
        self._held = self._gauge("held_back_removals", "Removals that the last pass held back")
        self._notices = self._gauge("notices", "What the last pass left alone or reports, by kind", "kind")
        for kind in NoticeKind:
            self._notices.labels(kind.value)

    def pass_begins(self) -> None:
        self._began = time.monotonic()

    def pass_ends(self, report: Report) -> None:
        self._ended(_RESULTS[report.exit_code])
        if report.exit_code is ExitCode.DONE:
            self._success.set_to_current_time()
        self._in_step.set(report.in_step)
        self._held.set(report.held)
        kinds = Counter(notice.kind for notice in report.notices)
        for kind in NoticeKind:
            self._notices.labels(kind.value).set(kinds[kind])

    def pass_failed(self, error: CosUpdateError) -> None:
        self._ended(_FAILED)

    def _ended(self, result: str) -> None:
        self._passes.labels(result).inc()
        self._seconds.observe(time.monotonic() - self._began)
        self._last.set_to_current_time()


class ListenMetrics(Metrics):
    """The metrics of `listen`, with those of notifications and keys."""

    def __init__(self, view: Path) -> None:
        super().__init__(view)
        self._lock = threading.Lock()
        self._types: set[str] = set()
        self._events = self._counter("events", "Notifications that were understood, by type", "type")
        self._keys = self._counter("keys", "Objects that notifications named")
        self._coalesced = self._counter("keys_coalesced", "Those of them that were already known to be dirty")
        self._effects = self._counter("effects", "Keys that were done with")
        self._lag = self._histogram("lag_seconds", "From the sending of a notification to its effect", _LAG_SECONDS)

    def event(self, kind: str, *, keys: int = 0, coalesced: int = 0) -> None:
        with self._lock:
            if kind not in self._types and len(self._types) >= MOST_TYPES:
                kind = "other"
            self._types.add(kind)
        self._events.labels(kind).inc()
        self._keys.inc(keys)
        self._coalesced.inc(coalesced)

    def effect(self, lag: float | None = None) -> None:
        self._effects.inc()
        if lag is not None:
            self._lag.observe(max(0.0, lag))


class _Follower:
    """A collector that reads the figures at each scrape."""

    def __init__(self, figures: Callable[[], Mapping[str, float]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        found = self._figures()
        for name, (text, grows) in {**FIGURES, **LEASE_FIGURES}.items():
            if name in found:
                family = CounterMetricFamily if grows else GaugeMetricFamily
                yield family(f"cos_update_{name}", text, value=found[name])

    def describe(self) -> list[Any]:
        """Returns nothing, so that registering does not call `collect` too early."""
        return []


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
