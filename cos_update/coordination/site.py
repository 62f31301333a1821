"""This machine as one of several: what it may post."""

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
"""The leases under which the saved view was read."""
TEMPLATES = "templates"
TEMPLATES_WAIT = 30.0
"""Seconds to wait for another site that is creating a template."""
TEMPLATES_LOOK = 0.2


def site_name(settings: CoordinationSettings) -> str:
    """The name of this machine among the others."""
    return settings.site or socket.gethostname()


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to post under the leases held when it was given, as long as these same leases are valid."""

    shards: Shards
    epochs: Mapping[int, str]


class Site:
    """The leases of this machine. Thread-safe.

    Raises ConfigError if what coordination needs is not installed.
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
        """The shards that may be worked on now, each with the epoch of its lease."""
        return {shard: lease.epoch for shard, lease in self.holdings.usable(self._clock()).items()}

    @contextmanager
    def kept(self, leaving: float) -> Iterator[None]:
        """Keeps the leases while the context lasts, unless another process does; then leaves within `leaving` s."""
        self._keeper.start()
        try:
            yield
        finally:
            self._keeper.stop(leaving)

    def wait_ready(self) -> str:
        """Waits until it is known what this site holds. Returns why it holds nothing if that is a fault, or ""."""
        self._keeper.wait_ready(2.0 * self.settings.lease)
        holdings = self.holdings
        return "" if holdings.leases else holdings.trouble

    @property
    def is_fit(self) -> bool:
        """Whether this site's passes are not known to fail."""
        return self._uses.is_fit()

    def set_fit(self, fit: bool) -> None:
        """Records whether this site's passes work; if not, fit sites take over. Raises ViewError."""
        if fit != self._uses.is_fit():
            self._uses.set_fit(fit)

    @contextmanager
    def share(self, only: int | None = None) -> Iterator[Grant | None]:
        """What may be worked on while the context lasts, and is not handed over meanwhile; None if nothing.

        `only` restricts it to that shard.
        """
        handles: dict[int, int] = {}
        try:
            for shard in sorted(self.usable()):
                if only in (None, shard) and (handle := self._uses.begin(shard)) is not None:
                    handles[shard] = handle
            # Checked again now that they cannot be handed over.
            now = self._clock()
            leases = {n: lease for n, lease in self.holdings.usable(now).items() if n in handles}
            epochs = {n: lease.epoch for n, lease in leases.items()}
            yield Grant(Shards(frozenset(epochs), self.settings.shards), epochs) if epochs else None
        finally:
            for handle in handles.values():
                self._uses.end(handle)

    def check(self, grant: Grant | None, project_id: str) -> Check:
        """The check whether a write for a project may be sent under a grant."""
        shard = shard_of(project_id, self.settings.shards)
        epoch = grant.epochs.get(shard, "") if grant else ""

        def check() -> None:
            if not epoch or not self.holdings.is_good(shard, epoch, self._clock()):
                raise Fenced(f"not sent: shard {shard} is not known to be held by this machine ({self.name}) any more")

        return check

    @contextmanager
    def templates(self, grant: Grant | None) -> Iterator[Check]:
        """Holds the lock on the templates of all sites; gives the check for writes to them.

        Raises Fenced if the lock cannot be taken.
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
        """Whether the saved view was read under these same leases; if not, others may have posted since."""
        known = self._known()
        return all(known.get(str(shard)) == epoch for shard, epoch in grant.epochs.items())

    def _known(self) -> dict[str, str]:
        with suppress(OSError, ValueError, TypeError):
            return dict(json.loads(self._read_under.read_bytes()))
        return {}

    def note_read(self, grant: Grant) -> None:
        """Records that the saved view was read under these leases (too). Raises OSError."""
        document = {**self._known(), **{str(shard): epoch for shard, epoch in grant.epochs.items()}}
        with files.replacing(self._read_under, self._read_under.with_name(f".{READ_UNDER}.tmp")) as new:
            new.file.write(json.dumps(document).encode())
            new.put_in_place()


def members(settings: CoordinationSettings) -> tuple[Member, ...]:
    """What every site claims to hold, read from the engine. Raises BackendError, ConfigError."""
    backend = Backend(settings, site_name(settings))
    try:
        backend.open(joins=False)
        return backend.others()
    finally:
        backend.close()
