"""Concertim: login, what it may do, and what must be there."""

from __future__ import annotations

from collections.abc import Iterator

from cos_update.checks.cloud import SKEW
from cos_update.checks.finding import Finding, fail, failed, ok, warn
from cos_update.concertim.client import ConcertimClient
from cos_update.core.desired import TAG_OF
from cos_update.model.errors import ConcertimError, CosUpdateError
from cos_update.model.racks import ApiFlavour
from cos_update.model.settings import Settings


def concertim(settings: Settings) -> Iterator[Finding]:
    """Login, root, API, templates, teams, clock."""
    if settings.concertim is None:
        return
    with ConcertimClient(settings.concertim) as client:
        try:
            flavour = client.flavour()
            user = client.current_user()
        except CosUpdateError as error:
            yield failed("concertim", error)
            return
        where = f"{settings.concertim.url} as {user.login}{' (root)' if user.root else ''}, {flavour.value} API"
        ahead = client.clock_offset
        yield ok("concertim", where if ahead is None else f"{where}, app clock {ahead:+.1f} s")
        if not user.root:
            mend = "set concertim.concertim_username to a root user"
            yield fail("concertim", f"{user.login} is no root user: only those may create racks and templates", mend)
        if ahead is not None and abs(ahead) > SKEW:
            yield warn(
                "clock", f"Concertim's is {ahead:+.0f} s from ours", "let both follow a time server (chrony, ntp)"
            )
        try:
            yield from _contents(client, flavour)
        except ConcertimError as error:
            yield failed("concertim", error)


def _contents(client: ConcertimClient, flavour: ApiFlavour) -> Iterator[Finding]:
    tags = {template.tag for template in client.templates() if template.tag}
    missing = sorted(tag for tag in TAG_OF.values() if tag not in tags)
    if missing and flavour is ApiFlavour.TEAMS:
        mend = "load Concertim's own templates (rake db:seed in its container)"
        yield fail("templates", f"without the tag {', '.join(missing)}: such devices can't be shown", mend)
    elif flavour is ApiFlavour.TEAMS:
        yield ok("templates", f"those tagged {', '.join(sorted(TAG_OF.values()))} are there")
    owners = [owner for owner in client.owners() if owner.project_id]
    word = "teams" if flavour is ApiFlavour.TEAMS else "users"
    if owners:
        yield ok(word, f"{len(owners)} have a project id")
    else:
        yield warn(word, "none has a project id, so no rack can be shown", f"give {word} the ids of their projects")
        return
    if said := client.limit_met(owners[0]):
        yield fail("licence", said, "new stacks can't be shown: remove racks, or ask for a larger licence")
    else:
        yield ok("licence", "allows another rack")
