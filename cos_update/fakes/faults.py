"""Faults that can be injected into a fake's connections."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """The kinds of faults."""

    STATUS = "status"
    """Another response instead of the work: `code`, `body`, `retry_after`."""
    DELAY = "delay"
    """The work begins `seconds` late."""
    HOLD = "hold"
    """The work begins when the fault is removed."""
    CUT = "cut"
    """The connection is closed before the work."""
    LOST_ANSWER = "lost_answer"
    """The work is done, then the connection is closed without a response."""
    DONE_THEN_STATUS = "done_then_status"
    """The work is done, then answered as by `status`: `code`, `body`."""
    TRUNCATE = "truncate"
    """Half of the body is sent under the full Content-Length, then the connection is closed."""
    DRIBBLE = "dribble"
    """The work is done, and the response trickles in byte by byte without end, until the client disconnects."""
    EMPTY = "empty"
    """The response keeps its status, but its lists are emptied."""
    HANG = "hang"
    """Neither work nor response, until the client disconnects or the fault is removed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and the requests that it affects.

    A request is affected if its method, path, query and service all match, the first `after` such requests
    have passed, and fewer than `times` have been affected.
    """

    kind: FaultKind
    path: str = ""
    """A regular expression, searched for in the path (without the query)."""
    method: str | None = None
    query: str | None = None
    """A regular expression, searched for in the query string."""
    service: str | None = None
    after: int = 0
    times: int | None = None
    """None: until the fault is removed."""
    code: int = 503
    body: object = None
    """For `status`: text is sent as it is, None is no body, anything else is sent as JSON."""
    retry_after: float | None = None
    """For `status`: the header Retry-After, in seconds."""
    seconds: float = 0.0
    """For `delay`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FaultKind(self.kind))

    def fits(self, method: str, path: str, query: str, service: str) -> bool:
        """Whether a request matches this fault."""
        return (
            (self.method is None or self.method == method)
            and (self.service is None or self.service == service)
            and re.search(self.path, path) is not None
            and (self.query is None or re.search(self.query, query) is not None)
        )


class Faults:
    """The active faults, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[int, Fault] = {}
        self._seen: dict[int, int] = {}
        self._struck: dict[int, int] = {}

    def add(self, fault: Fault) -> int:
        """Activate a fault; returns the id for removing it."""
        with self._lock:
            fault_id = next(self._ids)
            self._seen[fault_id] = self._struck[fault_id] = 0
            self._faults[fault_id] = fault
            return fault_id

    def remove(self, fault_id: int) -> None:
        """End a fault; it is no error if it has already ended."""
        with self._lock:
            self._faults.pop(fault_id, None)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def struck(self, fault_id: int) -> int:
        """The number of requests affected so far (even after its end)."""
        with self._lock:
            return self._struck.get(fault_id, 0)

    def active(self, fault_id: int) -> bool:
        """Whether a fault has not been removed."""
        return fault_id in self._faults

    def listing(self) -> list[dict[str, object]]:
        """All active faults, with `id` and `struck`."""
        with self._lock:
            return [
                {"id": fault_id, "struck": self._struck[fault_id], **asdict(fault)}
                for fault_id, fault in self._faults.items()
            ]

    def strike(self, method: str, path: str, query: str, service: str) -> list[tuple[int, Fault]]:
        """The faults that affect this request, which counts for their `after` and `times`."""
        if not self._faults:
            return []
        struck = []
        with self._lock:
            for fault_id, fault in self._faults.items():
                if not fault.fits(method, path, query, service):
                    continue
                self._seen[fault_id] += 1
                spent = fault.times is not None and self._struck[fault_id] >= fault.times
                if self._seen[fault_id] > fault.after and not spent:
                    self._struck[fault_id] += 1
                    struck.append((fault_id, fault))
        return struck


def fault_from(data: Mapping[str, object]) -> Fault:
    """A fault from decoded JSON; raises TypeError or ValueError when it is not one."""
    return Fault(**data)  # type: ignore[arg-type]


def emptied(value: object) -> object:
    """The JSON value with every list in it emptied."""
    if isinstance(value, list):
        return []
    if isinstance(value, dict):
        return {key: emptied(item) for key, item in value.items()}
    return value
