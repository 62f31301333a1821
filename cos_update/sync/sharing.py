"""A pass under what this machine holds, where several machines post to one Concertim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from cos_update.sync.services import Services


@contextmanager
def granted(services: Services) -> Iterator[Services | None]:
    """The services for one pass, which is about the shards that are held when it begins; None when none is.

    While the context lasts no shard is handed over. A machine that is the only one is about everything.
    """
    if services.site is None:
        yield services
        return
    with services.site.share() as grant:
        yield replace(services, grant=grant) if grant else None


@contextmanager
def taking_part(services: Services) -> Iterator[None]:
    """Keeps this machine's leases, if there are any, while the context lasts. Raises CosUpdateError."""
    if services.site is None:
        yield
        return
    with services.site.kept(services.settings.shutdown_timeout):
        yield


def epochs(services: Services) -> Mapping[int, str]:
    """What is held now, each shard with what tells this holding from others; {} on a machine that is the only one."""
    return services.site.epochs() if services.site is not None else {}


def standing_by(services: Services) -> str:
    """Why this machine posts nothing, for people."""
    site = services.site
    assert site is not None
    holdings = site.holdings
    if holdings.trouble:
        return holdings.trouble
    others = [f"{m.site} holds {len(m.held)}" for m in holdings.members if m.held and m.site != site.name]
    return f"{site.name} holds no lease" + (f" ({', '.join(others)} of {holdings.shards})" if others else "")


def figures(services: Services) -> Mapping[str, float]:
    """The figures of the leases, by the names of `metrics.LEASE_FIGURES`; {} on a machine that is the only one."""
    site = services.site
    if site is None:
        return {}
    holdings = site.holdings
    return {"leases": len(site.usable()), "takeovers": holdings.takeovers, "fenced": site.fence.fenced}


def details(services: Services) -> Mapping[str, object]:
    """What the heartbeat says of the leases; {} on a machine that is the only one."""
    site = services.site
    if site is None:
        return {}
    leases = {"site": site.name, "held": sorted(site.usable()), "of": site.settings.shards}
    return {"leases": {**leases, "trouble": site.holdings.trouble, "fenced": site.fence.fenced}}
