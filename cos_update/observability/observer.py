"""The interface through which passes report to logs, heartbeat, metrics and terminal, none of which can stop them."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial

from cos_update.model.errors import CosUpdateError
from cos_update.model.progress import Progress
from cos_update.observability.heartbeat import DaemonStatus
from cos_update.planning.outcome import Outcome
from cos_update.planning.report import Report

_log = logging.getLogger(__name__)


class Observer:
    """Receives events, and may ignore them. Called from any thread; must return quickly and never block."""

    def pass_begins(self) -> None:
        """A pass begins."""

    def reading(self, progress: Progress) -> None:
        """A part of one side was read."""

    def planned(self, actions: int) -> None:
        """Both sides are read and compared; `actions` outcomes will follow."""

    def outcome(self, outcome: Outcome) -> None:
        """An action was applied, skipped or failed."""

    def pass_ends(self, report: Report) -> None:
        """The pass has ended, whatever its result."""

    def pass_failed(self, error: CosUpdateError) -> None:
        """The pass could not read both sides, or could not save the view."""

    def next_pass(self, due: float) -> None:
        """The next pass is to begin at this Unix time."""

    def event(self, kind: str, *, keys: int = 0, coalesced: int = 0) -> None:
        """A notification of type `kind` arrived for `keys` objects, of which `coalesced` were already queued."""

    def effect(self, lag: float | None = None) -> None:
        """A key was processed; `lag` is the time in seconds since its oldest notification was sent."""


_EVENTS = tuple(name for name in vars(Observer) if not name.startswith("_"))


class StatusObserver(Observer):
    """Turns events into the contents of the heartbeat, and into the figures for each scrape."""

    @abstractmethod
    def collect(self) -> DaemonStatus:
        """The contents of the heartbeat now."""

    def figures(self) -> Mapping[str, float]:
        """The current figures, by the names in `metrics.FIGURES`."""
        return {}


class SignsOfLife(Observer):
    """Counts events."""

    def __init__(self) -> None:
        self.events = 0
        self.is_resting = False
        """Whether nothing is due until the next pass."""

    def pass_begins(self) -> None:
        """One more."""
        self._note()

    def reading(self, progress: Progress) -> None:
        """One more."""
        self._note()

    def planned(self, actions: int) -> None:
        """One more."""
        self._note()

    def outcome(self, outcome: Outcome) -> None:
        """One more."""
        self._note()

    def next_pass(self, due: float) -> None:
        """Nothing is due until then."""
        self.is_resting = True

    def _note(self) -> None:
        self.events += 1
        self.is_resting = False


class ObserverGroup(Observer):
    """Several observers as one. An exception in one of them is logged, and stops neither the others nor the work."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        for name in _EVENTS:
            setattr(self, name, partial(self._tell, name))

    def _tell(self, name: str, *what: object, **details: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, name)(*what, **details)
            except Exception:
                _log.exception("%s failed to handle an event", type(observer).__name__)
