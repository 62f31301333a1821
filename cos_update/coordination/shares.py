"""How many shards each site should hold, and which ones it gives up. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def quota(held: Mapping[str, int], site: str, shards: int) -> int:
    """How many of `shards` leases a site should hold; `held` tells how many each site holds now.

    The quotas of all sites differ by one at most and add up to `shards`. A site that holds one more than others keeps
    it if it may, so that no lease moves without need.
    """
    if site not in held:
        return 0
    share, rest = divmod(shards, len(held))
    above = sorted(other for other, count in held.items() if count > share)
    others = sorted(held.keys() - set(above))
    with_one_more = above[:rest] + others[: max(rest - len(above), 0)]
    return share + (site in with_one_more)


def surplus(held: Collection[int], due: int) -> frozenset[int]:
    """The shards that a site gives up if it should hold `due`: those with the highest numbers."""
    return frozenset(sorted(held)[due:])
