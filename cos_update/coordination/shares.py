"""How many shards each site is due, and which it gives up. Pure."""

from __future__ import annotations

from collections.abc import Collection


def quota(sites: Collection[str], site: str, shards: int) -> int:
    """How many of `shards` leases a site is due, beside the others: the shares differ by one at most.

    The quotas of all sites add up to all shards, whoever counts. A site that is not among them is due nothing.
    """
    ordered = sorted(set(sites))
    if site not in ordered:
        return 0
    share, rest = divmod(shards, len(ordered))
    return share + (ordered.index(site) < rest)


def surplus(held: Collection[int], due: int) -> frozenset[int]:
    """The shards that a site gives up which is due only so many: those with the highest numbers."""
    return frozenset(sorted(held)[due:])
