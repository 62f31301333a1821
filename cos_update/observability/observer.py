"""What a pass tells whoever watches it: a log, a heartbeat, metrics, a terminal. None of them can stop the work."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping

from cos_update.model.errors import CosUpdateError
from cos_update.model.progress import Progress
from cos_update.observability.heartbeat import Pulse
from cos_update.planning.report import Report
from cos_update.sync.executor import Outcome

_log = logging.getLogger(__name__)


class Watcher:
    """Hears what happens, and is free to ignore it. Called from any thread; must be quick and must not wait."""

    def pass_begins(self) -> None:
        """A pass begins."""

    def reading(self, progress: Progress) -> None:
        """Some of one side was read."""

    def planned(self, actions: int) -> None:
        """Both sides are read and compared: so many actions follow, each with its outcome."""

    def outcome(self, outcome: Outcome) -> None:
        """An action was carried out, or was not."""

    def pass_ends(self, report: Report) -> None:
        """The pass took place."""

    def pass_failed(self, error: CosUpdateError) -> None:
        """Nothing could be said in this pass."""

    def next_pass(self, due: float) -> None:
        """The next pass is to begin at this Unix time."""

    def event(self, kind: str, *, keys: int = 0, coalesced: int = 0) -> None:
        """A notification of the type `kind` came: `keys` objects may have changed, `coalesced` of them known before."""

    def effect(self, lag: float | None = None) -> None:
        """A key was done with; `lag` is the time in seconds since its oldest notification was sent."""


class DaemonPulse(Watcher):
    """Turns what it hears into what the heartbeat says, and into the figures that are shown at each scrape."""

    @abstractmethod
    def collect(self) -> Pulse:
        """The pulse of this moment."""

    def figures(self) -> Mapping[str, float]:
        """Figures of this moment, by the names of `metrics.FIGURES`."""
        return {}


class Watchers(Watcher):
    """Several watchers as one. What one of them raises is logged, and stops neither the others nor the work."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def pass_begins(self) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.pass_begins())

    def reading(self, progress: Progress) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.reading(progress))

    def planned(self, actions: int) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.planned(actions))

    def outcome(self, outcome: Outcome) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.outcome(outcome))

    def pass_ends(self, report: Report) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.pass_ends(report))

    def pass_failed(self, error: CosUpdateError) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.pass_failed(error))

    def next_pass(self, due: float) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.next_pass(due))

    def event(self, kind: str, *, keys: int = 0, coalesced: int = 0) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.event(kind, keys=keys, coalesced=coalesced))

    def effect(self, lag: float | None = None) -> None:
        """Tells all."""
        self._tell(lambda watcher: watcher.effect(lag))

    def _tell(self, what: Callable[[Watcher], None]) -> None:
        for watcher in self._watchers:
            try:
                what(watcher)
            except Exception:
                _log.exception("%s cannot take note of what happened", type(watcher).__name__)
