"""Checks Concertim: the login, its permissions, and the required objects."""

from __future__ import annotations

from collections.abc import Iterator

from cos_update.concertim.client import OVER_THE_LIMIT, ConcertimClient
from cos_update.model.concertim import ApiFlavour
from cos_update.model.errors import ConcertimError, CosUpdateError
from cos_update.model.kinds import DEVICES
from cos_update.model.settings import Settings
from cos_update.preflight.clocks import compared
from cos_update.preflight.finding import Finding, fail, failed, ok, skip, warn
from cos_update.preflight.owners import Seen


def concertim(settings: Settings, seen: Seen | None = None) -> Iterator[Finding]:
    """Checks login, root, API, clock, templates, owners, licence. Records in `seen` what the other side needs."""
    seen = seen or Seen()
    if settings.concertim is None:
        yield skip("concertim", "skipped: its section is missing or wrong")
        return
    with ConcertimClient(settings.concertim) as client:
        try:
            flavour = client.flavour()
            user = client.current_user()
        except CosUpdateError as error:
            yield failed("concertim", error)
            return
        root = " (root)" if user.root else ""
        yield ok("concertim", f"{settings.concertim.url} as {user.login}{root}, {flavour.value} API")
        if not user.root:
            fix = "set concertim.concertim_username to a root user"
            yield fail("concertim", f"{user.login} is not a root user: only these may create racks and templates", fix)
        if client.clock_offset is not None:
            yield compared("Concertim", client.clock_offset)
        for part in (_templates, _owners):
            try:
                yield from part(client, flavour, seen)
            except ConcertimError as error:
                yield failed("concertim", error)


def _templates(client: ConcertimClient, flavour: ApiFlavour, _: Seen) -> Iterator[Finding]:
    if flavour is ApiFlavour.USERS:
        fix = "update the app to a release with teams"
        yield warn("templates", "this older API cannot show volumes and networks", fix)
        return
    tags = {template.tag for template in client.templates() if template.tag}
    wanted = sorted(kind.template_tag for kind in DEVICES if kind.template_tag)
    if missing := [tag for tag in wanted if tag not in tags]:
        fix = "load Concertim's own templates (rake db:seed in its container)"
        yield fail("templates", f"without the tag {', '.join(missing)}: such devices cannot be shown", fix)
    else:
        yield ok("templates", f"those tagged {', '.join(wanted)} exist")


def _owners(client: ConcertimClient, flavour: ApiFlavour, seen: Seen) -> Iterator[Finding]:
    seen.word = word = "users" if flavour is ApiFlavour.USERS else "teams"
    seen.racks, seen.owners = client.racks(), client.owners()
    owners = [owner for owner in seen.owners if owner.project_id]
    if not owners:
        yield warn(word, "none has a project id, so no rack can be shown", f"give {word} the ids of their projects")
        return
    yield ok(word, f"{len(owners)} have a project id")
    limit = client.complaints(owners[0])
    if limits := [text for text in limit if OVER_THE_LIMIT.fullmatch(text)]:
        yield fail("licence", limits[0], "new stacks cannot be shown: remove racks, or get a larger licence")
    elif limit:
        fix = "this app requires fields that cos-update does not send: check for updates of both"
        yield fail("racks", f"every new rack would be refused: {'; '.join(limit)}", fix)
    else:
        yield ok("licence", "allows another rack")
