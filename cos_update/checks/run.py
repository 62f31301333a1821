"""All checks, each side on its own and all at once, in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cos_update.checks.broker import broker
from cos_update.checks.cloud import cloud
from cos_update.checks.concertim import concertim
from cos_update.checks.finding import Finding, fail, failed
from cos_update.checks.local import configuration, folders
from cos_update.model.errors import CosUpdateError
from cos_update.model.settings import Settings

Check = Callable[[], Iterable[Finding]]


def run(settings: Settings, warnings: tuple[str, ...], listen_for: float | None = None) -> Iterator[Finding]:
    """Every finding, whatever else fails; `warnings` are those of the configuration.

    `listen_for` is how many seconds to wait for notifications; None: not at all.
    """
    checks: tuple[tuple[str, Check], ...] = (
        ("config", lambda: configuration(settings, warnings)),
        ("folders", lambda: folders(settings)),
        ("cloud", lambda: cloud(settings)),
        ("rabbitmq", lambda: broker(settings, listen_for)),
        ("concertim", lambda: concertim(settings)),
    )
    with ThreadPoolExecutor(len(checks), thread_name_prefix="check") as pool:
        for answer in [pool.submit(_all, name, check) for name, check in checks]:
            yield from answer.result()


def _all(name: str, check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except CosUpdateError as error:
        found.append(failed(name, error))
    except Exception as error:  # one check that breaks must not hide the others
        found.append(fail(name, f"the check itself failed: {type(error).__name__}", "please report this as a bug"))
    return found
