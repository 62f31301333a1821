"""Keeps a site's leases: takes its share, refreshes what it holds, and gives up what others should hold.

One process of a data dir does this; the others read what it publishes, and one of them takes over when it ends.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cos_update.coordination.backend import Backend, BackendError, UnknownSiteError
from cos_update.coordination.clock import boottime
from cos_update.coordination.fence import good_for
from cos_update.coordination.holdings import Holdings, HoldingsFile, Lease
from cos_update.coordination.shares import quota, surplus
from cos_update.coordination.uses import Uses
from cos_update.file_hints import words
from cos_update.model.errors import ConfigError, CosUpdateError
from cos_update.model.settings import CoordinationSettings

TURNS = 12
"""Rounds per lease duration."""
REFRESHES = 4
"""Refreshes per lease duration."""

log = logging.getLogger("cos_update.leases")

Connect = Callable[[], Backend]


class _LostError(BackendError):
    """What this site held is lost."""


class Keeper:
    """Runs one thread. `holdings` is what this site holds, whichever process keeps it."""

    def __init__(
        self,
        settings: CoordinationSettings,
        site: str,
        data_dir: Path,
        connect: Connect | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._settings = settings
        self._site = site
        self._connect = connect or (lambda: Backend(settings, site))
        self._clock = clock
        self._file = HoldingsFile(data_dir)
        self._uses = Uses(data_dir)
        self._keeping: int | None = None
        self._backend: Backend | None = None
        self._locks: dict[int, Any] = {}
        self._mine = Holdings(site, settings.shards)
        self._refreshed = self._not_before = float("-inf")
        self._announced: tuple[dict[int, float], bool] | None = None
        self._reported = ""
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    @property
    def holdings(self) -> Holdings:
        """What this site holds now."""
        return self._mine if self._keeping is not None else self._file.read()

    def start(self) -> None:
        """Starts keeping the leases, or waiting for the process that does."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Waits until it is known what this site holds; returns whether it is."""
        return self._ready.wait(timeout)

    def stop(self, timeout: float) -> None:
        """Gives up what is held and not in use, and leaves, within `timeout` seconds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        pause = self._settings.lease / TURNS
        while not self._stopped.wait(0 if not self._ready.is_set() else pause):
            try:
                self.turn()
            except CosUpdateError as error:
                self._report(f"{error} {error.hint}".rstrip())
            except Exception:
                log.exception("a turn of keeping the leases failed")
            if self._clock() >= self._not_before:
                self._ready.set()
        try:
            self._leave()
        except CosUpdateError as error:
            log.debug("not left in order: %s", error)

    def turn(self) -> None:
        """One round: refreshes leases, drops expired ones, and takes or gives up shards according to the shares.

        Raises ConfigError, and ViewError if the data dir cannot be written.
        """
        if self._keeping is None:
            self._keeping = self._uses.keep()
            if self._keeping is None:
                return
            self._mine = Holdings(self._site, self._settings.shards)
            self._publish()
        try:
            backend = self._connected()
            self._refresh(backend)
            self._share(backend)
        except BackendError as error:
            self._fail(error)
        else:
            self._mine = replace(self._mine, trouble=self._mine.trouble if self._is_at_odds else "")
            if not self._is_at_odds:
                self._report("")
        self._publish()

    @property
    def _is_at_odds(self) -> bool:
        return any(member.shards != self._settings.shards for member in self._mine.members)

    def _connected(self) -> Backend:
        if self._backend is None:
            backend = self._connect()
            try:
                backend.open(joins=True)
            except (BackendError, ConfigError):
                backend.close()
                raise
            finally:
                if backend.may_have_created:
                    self._hold_off()
            self._backend, self._refreshed, self._announced = backend, float("-inf"), None
        return self._backend

    def _refresh(self, backend: Backend) -> None:
        """Refreshes all leases. A lease that was no longer valid when the answer arrived is lost."""
        self._require_good("a lease has ended without being refreshed")
        sent = self._clock()
        is_due = sent - self._refreshed >= self._settings.lease / REFRESHES
        if is_due:
            backend.refresh()
            if not all(map(backend.is_mine, self._locks.values())):
                self._hold_off()
                raise _LostError("a lease was lost")
        try:
            members = backend.members()
        except UnknownSiteError as error:
            self._hold_off()
            raise _LostError(str(error)) from None
        self._mine = replace(self._mine, members=members)
        if is_due:
            # Only after `members`: an engine that still knows this site has not lost its data.
            self._require_good("a lease was refreshed too late")
            self._refreshed = sent
            good_until = sent + good_for(self._settings.lease)
            leases = {n: replace(lease, good_until=good_until) for n, lease in self._mine.leases.items()}
            self._mine = replace(self._mine, leases=leases)

    def _hold_off(self) -> None:
        """Takes nothing for one lease duration: an engine that lost its data gives away what others still hold."""
        self._not_before = self._clock() + self._settings.lease

    def _require_good(self, otherwise: str) -> None:
        now = self._clock()
        if any(now >= lease.good_until for lease in self._mine.leases.values()):
            raise _LostError(otherwise)

    def _share(self, backend: Backend) -> None:
        if self._is_at_odds:
            counts = ", ".join(f"{m.site} {m.shards}" for m in self._mine.members)
            trouble = f"coordination.shards must be the same on all machines ({counts}): nothing more is taken"
            self._mine = replace(self._mine, trouble=trouble)
            self._report(trouble)
            return
        due = self._due()
        leaving = surplus(self._mine.leases, due)
        leases = {n: replace(lease, is_leaving=n in leaving) for n, lease in self._mine.leases.items()}
        if leases != self._mine.leases:
            self._mine = replace(self._mine, leases=leases)
            self._publish()
        for shard in leaving:
            self._hand_over(backend, shard)
        is_holding_off = self._clock() < self._not_before
        for shard in () if is_holding_off else self._free(due - len(self._mine.leases)):
            self._take(backend, shard)
        to_announce = {n: lease.since for n, lease in self._mine.leases.items()}, self._uses.is_fit()
        if to_announce != self._announced:
            backend.announce(to_announce[0], is_fit=to_announce[1])
            self._announced = to_announce

    def _due(self) -> int:
        """How many shards this site should hold."""
        # A restarted site is a member twice for a while.
        held: dict[str, set[int]] = {self._site: set()}
        fit: set[str] = {self._site} if self._uses.is_fit() else set()
        for member in self._mine.members:
            if member.site != self._site:
                held.setdefault(member.site, set()).update(member.held)
                fit |= {member.site} if member.is_fit else set()
        counts = {site: len(shards) for site, shards in held.items()} | {self._site: len(self._mine.leases)}
        # If no site is fit, handing over would not help.
        return quota({site: counts[site] for site in fit or counts}, self._site, self._settings.shards)

    def _free(self, wanted: int) -> list[int]:
        """As many shards as wanted, from those that no site claims to hold."""
        if wanted <= 0:
            return []
        taken = {n for member in self._mine.members for n in member.held if member.site != self._site}
        return [n for n in range(self._settings.shards) if n not in self._mine.leases and n not in taken][:wanted]

    def _take(self, backend: Backend, shard: int) -> None:
        sent = self._clock()
        lock = backend.take(f"shard-{shard}")
        if lock is None:
            return
        self._locks[shard] = lock
        lease = Lease(uuid.uuid4().hex, time.time(), sent + good_for(self._settings.lease))
        held = {**self._mine.leases, shard: lease}
        self._mine = replace(self._mine, leases=held, takeovers=self._mine.takeovers + 1)
        self._publish()
        log.info("shard %d of %d is held by this site (%s) now", shard, self._settings.shards, self._site)

    def _hand_over(self, backend: Backend, shard: int) -> None:
        with self._uses.nobody(shard) as is_free:
            if not is_free:
                return
            self._let_go({shard})
            self._publish()
            backend.release(self._locks.pop(shard))
        log.info("shard %d of %d is handed over", shard, self._settings.shards)

    def _let_go(self, shards: set[int]) -> None:
        leases = {n: lease for n, lease in self._mine.leases.items() if n not in shards}
        self._mine = replace(self._mine, leases=leases)

    def _fail(self, error: BackendError) -> None:
        """Keeps what may still be valid; if nothing is, starts over with a new connection."""
        now = self._clock()
        good = {n: lease for n, lease in self._mine.leases.items() if now < lease.good_until}
        if isinstance(error, _LostError) or not good:
            had = bool(self._mine.leases)
            self._let_go(set(self._mine.leases))
            self._locks.clear()
            backend, self._backend = self._backend, None
            if had:
                self._publish()
            if backend is not None:
                backend.close()
            rest = "this site holds nothing, and writes nothing" if had else "this site takes nothing"
        else:
            rest = "what this site holds is good for a while yet"
        trouble = f"coordination fails ({error}): {rest}"
        self._mine = replace(self._mine, trouble=trouble)
        self._report(trouble)

    def _publish(self) -> None:
        try:
            self._file.write(self._mine)
        except OSError as error:
            log.warning(
                "%s cannot be written: %s; other processes of this site hold nothing", self._file.path, words(error)
            )

    def _report(self, trouble: str) -> None:
        """Logs a problem once, and once that it is over."""
        kind = trouble.rpartition(": ")[2]
        if kind == self._reported:
            return
        if trouble:
            log.warning("%s", trouble)
        elif self._reported:
            log.info("coordination works again")
        self._reported = kind

    def _leave(self) -> None:
        if self._keeping is None:
            return
        backend, self._backend = self._backend, None
        is_all_free = True
        for shard in tuple(self._mine.leases):
            with self._uses.nobody(shard) as is_free:
                lock = self._locks.pop(shard)
                self._let_go({shard})
                self._publish()
                is_all_free &= is_free
                if is_free and backend is not None:
                    backend.release(lock)
        if backend is not None and is_all_free:
            # Otherwise the leases that are in use expire: closing might release them.
            backend.close()
        self._uses.end(self._keeping)
        self._keeping = None
