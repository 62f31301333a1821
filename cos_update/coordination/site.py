"""This machine as one of several: what it may post, for whoever posts."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cos_update import files
from cos_update.coordination.backend import Backend, BackendError, require_installed
from cos_update.coordination.clock import boottime
from cos_update.coordination.fence import Check, Fence, good_for
from cos_update.coordination.holdings import Holdings, Member
from cos_update.coordination.keeper import Keeper
from cos_update.coordination.uses import Uses
from cos_update.model.errors import Fenced
from cos_update.model.settings import CoordinationSettings
from cos_update.model.shards import Shards, shard_of

READ_UNDER = "leases-read.json"
"""Under which leases the saved view was read."""
TEMPLATES = "templates"
TEMPLATES_WAIT = 30.0
"""Seconds to wait for another site that makes a template."""
TEMPLATES_LOOK = 0.2


def site_name(settings: CoordinationSettings) -> str:
    """What this machine is called among the others."""
    return settings.site or socket.gethostname()


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be posted under the leases that were held when it was given, as long as these very ones are good."""

    shards: Shards
    epochs: Mapping[int, str]


class Site:
    """The leases of this machine. A context manager: leases are kept, or waited for, as long as it lasts. Thread-safe.

    Raises ConfigError when what coordination needs is not installed.
    """

    def __init__(self, settings: CoordinationSettings, data_dir: Path, clock: Callable[[], float] = boottime) -> None:
        self.settings = settings
        self.name = site_name(settings)
        self.fence = Fence(settings.lease)
        self._clock = clock
        self._uses = Uses(data_dir)
        self._read_under = data_dir / READ_UNDER
        self._keeper = Keeper(settings, self.name, data_dir, clock=clock)
        require_installed(settings)

    @property
    def holdings(self) -> Holdings:
        """What this site holds now, and what it knows of the others."""
        return self._keeper.holdings

    def usable(self) -> frozenset[int]:
        """The shards that may be worked on now."""
        return frozenset(self.holdings.usable(self._clock()))

    def epochs(self) -> Mapping[int, str]:
        """The shards that may be worked on now, each with what tells this holding from others."""
        return {shard: lease.epoch for shard, lease in self.holdings.usable(self._clock()).items()}

    @contextmanager
    def kept(self, leaving: float) -> Iterator[None]:
        """Keeps the leases, or waits for the process of this site that does; at the end leaves within `leaving` s."""
        self._keeper.start()
        try:
            yield
        finally:
            self._keeper.stop(leaving)

    def wait_ready(self) -> str:
        """Waits until it is known what this site holds. Why it holds nothing, where that is a fault; else ""."""
        self._keeper.wait_ready(2.0 * self.settings.lease)
        holdings = self.holdings
        return "" if holdings.leases else holdings.trouble

    @property
    def is_fit(self) -> bool:
        """Whether nothing is known of passes of this site that fail."""
        return self._uses.is_fit()

    def set_fit(self, fit: bool) -> None:
        """Notes whether this site's passes fail: others that are fit take over then. Raises ViewError."""
        if fit != self._uses.is_fit():
            self._uses.set_fit(fit)

    @contextmanager
    def share(self, only: int | None = None) -> Iterator[Grant | None]:
        """What may be worked on while the context lasts, and is not handed over meanwhile; None: nothing.

        With `only` that shard at most.
        """
        handles: dict[int, int] = {}
        try:
            for shard in sorted(self.usable()):
                if only in (None, shard) and (handle := self._uses.begin(shard)) is not None:
                    handles[shard] = handle
            # Only now that nobody can hand them over: what is held after all.
            now = self._clock()
            leases = {n: lease for n, lease in self.holdings.usable(now).items() if n in handles}
            epochs = {n: lease.epoch for n, lease in leases.items()}
            yield Grant(Shards(frozenset(epochs), self.settings.shards), epochs) if epochs else None
        finally:
            for handle in handles.values():
                self._uses.end(handle)

    def check(self, grant: Grant | None, project_id: str) -> Check:
        """What tells whether a write about a project may be sent now, under a grant."""
        shard = shard_of(project_id, self.settings.shards)
        epoch = grant.epochs.get(shard, "") if grant else ""

        def check() -> None:
            if not epoch or not self.holdings.is_good(shard, epoch, self._clock()):
                raise Fenced(f"not sent: shard {shard} is not known to be held by this machine ({self.name}) any more")

        return check

    @contextmanager
    def templates(self, grant: Grant | None) -> Iterator[Check]:
        """Holds what guards the templates of all sites; what tells whether a write to one may be sent now.

        Raises Fenced when it can't be had.
        """
        backend = Backend(self.settings, self.name)
        try:
            try:
                backend.open(joins=False)
                until, lock = self._take_templates(backend)
            except BackendError as error:
                raise Fenced(f"not sent: the templates can't be held ({error})") from None

            def check() -> None:
                if grant is None or self._clock() >= until:
                    raise Fenced(f"not sent: the templates are not known to be held by this machine ({self.name})")

            try:
                yield check
            finally:
                with suppress(BackendError):  # it ends by itself
                    backend.release(lock)
        finally:
            backend.close()

    def _take_templates(self, backend: Backend) -> tuple[float, object]:
        deadline = time.monotonic() + TEMPLATES_WAIT
        while True:
            sent = self._clock()
            if (lock := backend.take(TEMPLATES)) is not None:
                return sent + good_for(self.settings.lease), lock
            if time.monotonic() >= deadline:
                raise Fenced(f"not sent: another machine has the templates for {TEMPLATES_WAIT:g} s")
            time.sleep(TEMPLATES_LOOK)

    def has_read(self, grant: Grant) -> bool:
        """Whether the saved view was read under these very leases: else others may have posted since."""
        known = self._known()
        return all(known.get(str(shard)) == epoch for shard, epoch in grant.epochs.items())

    def _known(self) -> dict[str, str]:
        with suppress(OSError, ValueError, TypeError):
            return dict(json.loads(self._read_under.read_bytes()))
        return {}

    def note_read(self, grant: Grant) -> None:
        """Notes that the saved view was read under these leases, besides those under which it was before."""
        document = {**self._known(), **{str(shard): epoch for shard, epoch in grant.epochs.items()}}
        with files.replacing(self._read_under, self._read_under.with_name(f".{READ_UNDER}.tmp")) as new:
            new.file.write(json.dumps(document).encode())
            new.put_in_place()


def members(settings: CoordinationSettings) -> tuple[Member, ...]:
    """What every site says to hold, asked of the engine. Raises BackendError, ConfigError."""
    backend = Backend(settings, site_name(settings))
    try:
        backend.open(joins=False)
        return backend.others()
    finally:
        backend.close()
