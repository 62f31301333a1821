"""Reads the cloud, each service independently, using the memory of earlier readings."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

from cos_update.model.absence import AbsenceCheck
from cos_update.model.cloud_memory import CloudMemory, why_full
from cos_update.model.errors import CloudError
from cos_update.model.events import Key
from cos_update.model.kinds import ResourceKind
from cos_update.model.openstack import Inventory, Membership, Project
from cos_update.model.progress import OnProgress, Progress, no_progress
from cos_update.model.settings import CloudSettings
from cos_update.model.shards import Shards
from cos_update.openstack.absence_check import confirm
from cos_update.openstack.changed_listings import DoubtError
from cos_update.openstack.changes import ChangesReading, remembered
from cos_update.openstack.keystone import Watched, watched_projects
from cos_update.openstack.listings import CLOUD_WIDE, Reading
from cos_update.openstack.sessions import Sessions
from cos_update.openstack.single_objects import ObjectReader
from cos_update.openstack.stack_members import likely, possible, shrunken

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CloudReading:
    """The result of one reading of the cloud, and the memory for the next one.

    `why_full` says why the cloud was read in full; "" if the reading was incremental.
    """

    inventory: Inventory
    memory: CloudMemory | None
    why_full: str = ""

    def __str__(self) -> str:
        return f"cloud read in full ({self.why_full})" if self.why_full else "cloud read by changes"


class CloudReader:
    """Reads OpenStack. `read_scopes` has each service's scope in the last reading; requests carry `request_id`."""

    def __init__(
        self,
        settings: CloudSettings,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.sessions = Sessions(settings, sleep)
        self.read_scopes: dict[str, str] = {}
        self._ahead: Future[Watched] | None = None

    @property
    def request_id(self) -> str:
        """The global request id that services log with each of our requests."""
        return self.sessions.request_id

    @request_id.setter
    def request_id(self, request_id: str) -> None:
        self.sessions.request_id = request_id

    def close(self) -> None:
        """Closes all sessions."""
        self.sessions.close()

    def read(
        self,
        memory: Membership | None = None,
        projects: Collection[str] | None = None,
        on_progress: OnProgress = no_progress,
    ) -> Inventory:
        """Reads everything in the watched projects, or in the ones that `projects` names (ids or names).

        `memory` avoids reading unchanged stacks from Heat; `on_progress` receives the progress. Raises CloudLoginError,
        or CloudError if the watched projects cannot be determined; any other failure becomes a gap.
        """
        began = self._clock()
        watched = self._watched_with_progress(on_progress)
        return self._in_full(began, watched, memory or Membership(), projects, on_progress)[0]

    def refresh(
        self,
        known: CloudMemory | None,
        memory: Membership | None = None,
        on_progress: OnProgress = no_progress,
        *,
        every: int,
        full: str = "",
        recheck: Collection[Key] = (),
        shards: Shards | None = None,
    ) -> CloudReading:
        """As `read`, but incremental since the reading that left `known`, if possible; with `shards`, only their
        projects.

        Reads in full on any doubt, every `every` passes, and if `full` gives a reason for it. The objects of `recheck`
        are read again in any case.
        """
        began = self._clock()
        watched = self._watched_with_progress(on_progress)
        source = self._source()
        past = memory or Membership()
        wanted = None if shards is None else frozenset(filter(shards.covers, watched.projects))
        why = full or why_full(known, watched.projects if wanted is None else wanted, source, every)
        if known is not None and not why:
            try:
                return self._by_changes(began, watched, known, past, wanted, on_progress, recheck)
            except DoubtError as doubt:
                why = str(doubt)
        inventory, reading = self._in_full(began, watched, past, wanted, on_progress)
        return CloudReading(inventory, remembered(reading, inventory, source), why)

    def _in_full(
        self,
        began: float,
        watched: Watched,
        past: Membership,
        projects: Collection[str] | None,
        on_progress: OnProgress,
    ) -> tuple[Inventory, Reading]:
        with self._reading(watched, projects, on_progress) as reading:
            inventory = _read(reading, past, Inventory(began, watched.projects, disabled=watched.disabled))
            for doubtful in (shrunken, likely, possible):
                inventory = reading.with_contents(inventory, doubtful(inventory, past))
        chosen = None if projects is None else frozenset(reading.projects)
        return replace(inventory, gaps=reading.gaps, chosen=chosen), reading

    def _by_changes(
        self,
        began: float,
        watched: Watched,
        known: CloudMemory,
        past: Membership,
        wanted: frozenset[str] | None,
        on_progress: OnProgress,
        recheck: Collection[Key],
    ) -> CloudReading:
        objects = ObjectReader(self.sessions, self._settings)
        try:
            with self._reading(watched, wanted, on_progress) as reading:
                changes = ChangesReading(reading, known, objects)
                inventory, memory = changes.read(
                    Inventory(began, watched.projects, disabled=watched.disabled, chosen=wanted), past, recheck
                )
        finally:
            objects.close()
        return CloudReading(inventory, memory)

    @contextmanager
    def _reading(
        self, watched: Watched, projects: Collection[str] | None, on_progress: OnProgress
    ) -> Iterator[Reading]:
        """A new reading with its own threads."""
        self.sessions.clocks.begin()
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="openstack") as pool:
            wanted = _chosen(watched.projects, projects)
            reading = Reading(self.sessions, self._settings.scope, self.read_scopes, pool, wanted, on_progress)
            for name in watched.undetermined:
                reading.miss(ResourceKind.PROJECT, f"these credentials cannot tell whether {name} is watched")
            yield reading

    def _watched_with_progress(self, on_progress: OnProgress) -> Watched:
        ahead, self._ahead = self._ahead, None
        watched = self._watched() if ahead is None else ahead.result()
        on_progress(Progress("Keystone", len(watched.projects), is_over=True, has_gaps=bool(watched.undetermined)))
        return watched

    def _source(self) -> str:
        """A checksum of the settings that identify the cloud and how it is read."""
        settings = self._settings
        names = ("auth_url", "username", "user_id", "application_credential_id", "project_id", "project_name")
        login = [str(settings.auth.get(name, "")) for name in names]
        parts = (settings.cloud or "", *login, settings.region_name or "", settings.interface, settings.scope)
        return sha256(" ".join(parts).encode()).hexdigest()

    def begin(self) -> None:
        """Logs in and determines the watched projects in a thread, ahead of `read`, which raises any errors."""
        # Logs in here: the caller's work meanwhile (unpickling a view) would keep the thread from its first request.
        with suppress(CloudError):
            self.sessions.base  # noqa: B018
        pool = ThreadPoolExecutor(1, thread_name_prefix="keystone")
        self._ahead = pool.submit(self._watched)
        pool.shutdown(wait=False)

    def _watched(self) -> Watched:
        self.sessions.base.access()
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="openstack") as pool:
            return watched_projects(self.sessions, self._settings, pool)

    def confirm(self, keys: Sequence[Key]) -> dict[Key, AbsenceCheck]:
        """Requests each missing object by its id (see `absence_check`)."""
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="openstack") as pool:
            wide = {name for name, way in self.read_scopes.items() if way == CLOUD_WIDE}
            return confirm(self.sessions, keys, pool, wide)

    @property
    def settings(self) -> CloudSettings:
        """The section openstack of the configuration."""
        return self._settings


def _read(reading: Reading, past: Membership, inventory: Inventory) -> Inventory:
    """Reads all listings concurrently, and the contents of new or changed stacks."""
    with ThreadPoolExecutor(5, thread_name_prefix="service") as services:
        flavors = services.submit(reading.flavors)
        servers = services.submit(_with_progress, reading, ResourceKind.SERVER, reading.servers)
        stacks = services.submit(
            _with_progress, reading, ResourceKind.STACK, lambda: reading.stacks(past), lambda both: len(both[0])
        )
        volumes = services.submit(_with_progress, reading, ResourceKind.VOLUME, reading.volumes)
        networks = services.submit(_with_progress, reading, ResourceKind.NETWORK, reading.networks)
        found_stacks, contents = stacks.result()
        known = flavors.result()
        return replace(
            inventory,
            flavors=known,
            stacks=found_stacks,
            contents=contents,
            servers=reading.with_flavors(servers.result(), known),
            volumes=volumes.result(),
            networks=networks.result(),
            gaps=reading.gaps,
        )


def _with_progress(reading: Reading, kind: ResourceKind, read: Callable[[], T], size: Callable[[Any], int] = len) -> T:
    """The result of `read`, after reporting progress."""
    found = read()
    service = kind.service
    has_gaps = any(gap.kind.service == service and not gap.absent for gap in reading.gaps)
    reading.on_progress(Progress(service, size(found), is_over=True, has_gaps=has_gaps))
    return found


def _chosen(watched: Mapping[str, Project], wanted: Collection[str] | None) -> dict[str, Project]:
    if wanted is None:
        return dict(watched)
    chosen = {p.id: p for p in watched.values() if p.id in wanted or p.name in wanted}
    missing = sorted(set(wanted) - set(chosen) - {project.name for project in chosen.values()})
    if missing:
        names = ", ".join(sorted(project.name for project in watched.values())) or "none"
        raise CloudError(f"not a watched project: {', '.join(missing)}", f"Watched projects: {names}.")
    return chosen
