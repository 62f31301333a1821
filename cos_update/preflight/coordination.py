"""The engine through which several machines agree."""

from __future__ import annotations

from collections.abc import Iterator

from cos_update.coordination.backend import BackendError
from cos_update.coordination.site import members, site_name
from cos_update.model.settings import Settings
from cos_update.preflight.finding import Finding, fail, ok, warn


def coordination(settings: Settings) -> Iterator[Finding]:
    """Checks whether the engine answers, and what the sites hold; nothing without coordination."""
    if settings.coordination is None:
        return
    name, count = site_name(settings.coordination), settings.coordination.shards
    try:
        found = members(settings.coordination)
    except BackendError as error:
        fix = "check coordination.backend_url, and that its engine runs; without it nothing is posted"
        yield fail("coordination", f"the engine can't be asked: {error}", fix)
        return
    odd = sorted({member.site for member in found if member.shards != count})
    if odd:
        fix = "set the same coordination.shards on all machines: those that differ take nothing"
        yield fail("coordination", f"{', '.join(odd)} and this machine differ in coordination.shards ({count})", fix)
        return
    held = {shard for member in found for shard in member.held}
    sites = ", ".join(f"{member.site} ({len(member.held)})" for member in found) or "none yet"
    text = f"as {name}; sites and how many of {count} shards each holds: {sites}"
    if found and len(held) < count:
        yield warn("coordination", text, "what nobody holds is taken within one lease: look again")
    else:
        yield ok("coordination", text)
