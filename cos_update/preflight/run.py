"""Runs all checks concurrently, each side independently; findings come in a fixed order."""

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
"""Seconds to wait for a response in a check: a person is waiting, and requests are small."""
RETRIES = 1
LONGEST_CHECK = 900.0
"""Seconds for all checks of one side: a large cloud may be read project by project."""

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
"""The names that can be selected: each check, and those of its findings that can be selected individually."""


def run(loaded: Loaded, listen_for: float | None = None, names: Collection[str] = ()) -> Iterator[Finding]:
    """All findings, even if some checks fail or hang: on the configuration, and on everything that it configures.

    `listen_for` is the number of seconds to wait for notifications; None: not at all. `names` (of `CHECKS`) selects
    checks; empty selects all.
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
    # Teams are compared with OpenStack's projects.
    needed = wanted | ({"openstack"} if "teams" in wanted else set())
    chosen = [pair for pair in checks if not wanted or needed.intersection((pair[0], *CHECKS.get(pair[0], ())))]
    begun = [(name, _begun(name, check)) for name, check in chosen]
    deadline = time.monotonic() + LONGEST_CHECK + (listen_for or 0.0)
    for name, answer in begun:
        try:
            found = answer.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            text = f"the check has not ended within {LONGEST_CHECK:g} s"
            found = [fail(name, text, "check whether something hangs there")]
        yield from (finding for finding in found if _is_asked_for(finding, wanted))
    yield from (finding for finding in owners(seen) if _is_asked_for(finding, wanted))


def _is_asked_for(finding: Finding, wanted: Collection[str]) -> bool:
    """Whether a finding has one of these names or belongs to one; failures that prevent others always count."""
    word = finding.name.replace(" ", "-")
    side = next((name for name, words in CHECKS.items() if word in (name, *words)), word)
    return not wanted or word in wanted or side in wanted or finding.status == "FAIL"


def unconfigured(error: ConfigError) -> tuple[Finding, ...]:
    """The findings for an unusable configuration: its error, and the skipped checks."""
    sides = ("data dir", "log dir", "openstack", "rabbitmq", "concertim")
    return failed("config", error), *(skip(side, "skipped: no configuration") for side in sides)


def impatient(settings: Settings) -> Settings:
    """The settings with timeouts acceptable for a waiting person; a pass may wait much longer."""
    cloud, app = settings.openstack, settings.concertim
    return replace(
        settings,
        openstack=cloud
        and replace(cloud, timeout=min(cloud.timeout, LONGEST_ANSWER), retries=min(cloud.retries, RETRIES)),
        concertim=app and replace(app, timeout=min(app.timeout, LONGEST_ANSWER), retries=min(app.retries, RETRIES)),
    )


def _begun(name: str, check: Check) -> Future[list[Finding]]:
    """Starts the check in a daemon thread, which does not delay exit."""
    answer: Future[list[Finding]] = Future()
    threading.Thread(target=lambda: answer.set_result(_all(name, check)), name=f"check-{name}", daemon=True).start()
    return answer


def _all(name: str, check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except CosUpdateError as error:
        found.append(failed(name, error))
    except Exception as error:  # one broken check must not hide the others
        found.append(fail(name, f"the check itself failed: {type(error).__name__}", "please report this as a bug"))
    return found
