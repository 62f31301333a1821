"""Passes limited to what this machine holds, if several machines post to one Concertim."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from cos_update.model.errors import CosUpdateError, ViewError
from cos_update.observability.observer import Observer
from cos_update.planning.report import Report
from cos_update.sync.services import Services

log = logging.getLogger("cos_update.leases")

UNFIT_AFTER = 2
"""Failed passes in a row after which other machines take over."""


@contextmanager
def granted(services: Services) -> Iterator[Services | None]:
    """The services for one pass over the shards held at its start; None if none is held.

    No shard is handed over while the context lasts. Without coordination the pass covers everything.
    """
    if services.site is None:
        yield services
        return
    with services.site.share() as grant:
        yield replace(services, grant=grant) if grant else None


@contextmanager
def taking_part(services: Services) -> Iterator[None]:
    """Takes part in coordination, if configured, while the context lasts. Raises CosUpdateError."""
    if services.site is None:
        yield
        return
    with services.site.kept(services.settings.shutdown_timeout):
        yield


class Fitness(Observer):
    """Records whether this machine's passes fail; after two failures in a row, fit machines take over."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._failures = 0
        self._note(fit=True)

    def pass_ends(self, report: Report) -> None:
        """A pass during which Concertim stopped answering has failed too."""
        self._count(failed=bool(report.stopped))

    def pass_failed(self, error: CosUpdateError) -> None:
        """One more."""
        self._count(failed=True)

    def look(self) -> None:
        """Checks, while this machine stands by, whether it could work again."""
        site = self._services.site
        if site is None or site.is_fit:
            return
        try:
            self._services.concertim.owners()
            self._services.cloud.sessions.base.access()
        except CosUpdateError as error:
            log.debug("this machine is not fit yet: %s", error)
        else:
            log.info("this machine reaches both sides again")
            self._count(failed=False)

    def _count(self, *, failed: bool) -> None:
        self._failures = self._failures + 1 if failed else 0
        if self._failures == UNFIT_AFTER:
            log.warning("%d passes in a row have failed: other machines, if they are fit, take over", self._failures)
        if self._failures in (0, UNFIT_AFTER):
            self._note(fit=not failed)

    def _note(self, *, fit: bool) -> None:
        if self._services.site is not None:
            try:
                self._services.site.set_fit(fit)
            except ViewError as error:
                log.warning("%s %s", error, error.hint)


def epochs(services: Services) -> Mapping[int, str]:
    """The shards held now, each with the epoch of its lease; {} without coordination."""
    return services.site.epochs() if services.site is not None else {}


def standing_by(services: Services) -> str:
    """Why this machine posts nothing."""
    site = services.site
    assert site is not None
    holdings = site.holdings
    if holdings.trouble:
        return holdings.trouble
    others = [f"{m.site} holds {len(m.held)}" for m in holdings.members if m.held and m.site != site.name]
    return f"{site.name} holds no lease" + (f" ({', '.join(others)} of {holdings.shards})" if others else "")


def figures(services: Services) -> Mapping[str, float]:
    """The metrics about leases, by the names of `metrics.LEASE_FIGURES`; {} without coordination."""
    site = services.site
    if site is None:
        return {}
    holdings = site.holdings
    return {"leases": len(site.usable()), "takeovers": holdings.takeovers, "fenced": site.fence.fenced}


def details(services: Services) -> Mapping[str, object]:
    """The heartbeat's details about leases; {} without coordination."""
    site = services.site
    if site is None:
        return {}
    leases = {"site": site.name, "held": sorted(site.usable()), "of": site.settings.shards}
    return {"leases": {**leases, "trouble": site.holdings.trouble, "fenced": site.fence.fenced}}
