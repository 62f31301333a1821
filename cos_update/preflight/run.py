"""All checks, each side on its own and all at once, in one order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace

from cos_update.config import Loaded
from cos_update.model.errors import ConfigError, CosUpdateError
from cos_update.model.settings import Settings
from cos_update.preflight.concertim import concertim
from cos_update.preflight.coordination import coordination
from cos_update.preflight.finding import Finding, fail, failed, skip
from cos_update.preflight.killbill import killbill
from cos_update.preflight.local import configuration, folders
from cos_update.preflight.openstack import cloud
from cos_update.preflight.owners import Seen, owners
from cos_update.preflight.rabbitmq import broker

LONGEST_ANSWER = 30.0
"""Seconds that a check waits for one answer: a person waits too, and nothing large is asked for."""
RETRIES = 1
LONGEST_CHECK = 900.0
"""Seconds that all checks of one side may take: a large cloud is read project by project."""

Check = Callable[[], Iterable[Finding]]


CHECKS: Mapping[str, tuple[str, ...]] = {
    "config": (),
    "folders": ("data-dir", "log-dir", "open-files", "view", "view-for"),
    "openstack": ("keystone", "role", "user", "projects", "nova", "heat", "cinder", "neutron"),
    "rabbitmq": ("queue", "exchanges", "notifications"),
    "concertim": ("licence", "templates", "racks", "teams"),
    "killbill": (),
    "coordination": (),
}
"""What may be asked for by name: each check, and those of its findings that may be asked for alone."""


def run(loaded: Loaded, listen_for: float | None = None, names: Collection[str] = ()) -> Iterator[Finding]:
    """Every finding, whatever else fails or hangs: of the configuration, and of all that it says enough of.

    `listen_for` is how many seconds to wait for notifications; None: not at all. `names` (of `CHECKS`) narrows what is
    tried; nothing narrows nothing.
    """
    settings = loaded.settings
    hasty = impatient(settings)
    seen = Seen()
    checks: tuple[tuple[str, Check], ...] = (
        ("config", lambda: configuration(loaded)),
        ("folders", lambda: folders(settings)),
        ("openstack", lambda: cloud(hasty, seen, has_billing=loaded.has_billing)),
        ("rabbitmq", lambda: broker(hasty, listen_for)),
        ("concertim", lambda: concertim(hasty, seen)),
        ("killbill", lambda: killbill(settings)),
        ("coordination", lambda: coordination(settings)),
    )
    wanted = set(names)
    # Teams are compared with what OpenStack shows.
    needed = wanted | ({"openstack"} if "teams" in wanted else set())
    chosen = [pair for pair in checks if not wanted or needed.intersection((pair[0], *CHECKS.get(pair[0], ())))]
    begun = [(name, _begun(name, check)) for name, check in chosen]
    deadline = time.monotonic() + LONGEST_CHECK + (listen_for or 0.0)
    for name, answer in begun:
        try:
            found = answer.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            text = f"the check has not ended within {LONGEST_CHECK:g} s"
            found = [fail(name, text, "see whether something hangs there")]
        yield from (finding for finding in found if _is_asked_for(finding, wanted))
    yield from (finding for finding in owners(seen) if _is_asked_for(finding, wanted))


def _is_asked_for(finding: Finding, wanted: Collection[str]) -> bool:
    """Whether it is one of these, or belongs to one; what stands in its way always is."""
    word = finding.name.replace(" ", "-")
    side = next((name for name, words in CHECKS.items() if word in (name, *words)), word)
    return not wanted or word in wanted or side in wanted or finding.status == "FAIL"


def unconfigured(error: ConfigError) -> tuple[Finding, ...]:
    """What is found when the configuration can't be used: that, and what therefore is skipped."""
    sides = ("data dir", "log dir", "openstack", "rabbitmq", "concertim")
    return failed("config", error), *(skip(side, "skipped: no configuration") for side in sides)


def impatient(settings: Settings) -> Settings:
    """The settings with waits that a person sits through: a pass may wait far longer."""
    cloud, app = settings.openstack, settings.concertim
    return replace(
        settings,
        openstack=cloud
        and replace(cloud, timeout=min(cloud.timeout, LONGEST_ANSWER), retries=min(cloud.retries, RETRIES)),
        concertim=app and replace(app, timeout=min(app.timeout, LONGEST_ANSWER), retries=min(app.retries, RETRIES)),
    )


def _begun(name: str, check: Check) -> Future[list[Finding]]:
    """The check under way, in a thread that does not keep the program from ending."""
    answer: Future[list[Finding]] = Future()
    threading.Thread(target=lambda: answer.set_result(_all(name, check)), name=f"check-{name}", daemon=True).start()
    return answer


def _all(name: str, check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except CosUpdateError as error:
        found.append(failed(name, error))
    except Exception as error:  # one check that breaks must not hide the others
        found.append(fail(name, f"the check itself failed: {type(error).__name__}", "please report this as a bug"))
    return found
