"""The real program with shorter intervals: for missing exchanges, checks of the queue, and stalled workers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cos_update.cli.main import main
from cos_update.listener import consumer, service, watchdog

PATIENCE = 4.0
"""Seconds that keys may be due without a sign of life of any worker."""


def _check(name: str, due: Callable[[], object], stuck_after: float, **more: Any) -> watchdog.Check:
    return watchdog.Check(name, due, PATIENCE if name == "keys" else stuck_after, **more)


def shorten() -> None:
    """Puts the shorter waits into the listener of this process."""
    timing = consumer.Timing(exchange_poll=1.0, depth_poll=1.0)
    vars(service).update(
        BrokerConsumer=partial(consumer.BrokerConsumer, timing=timing),
        Check=_check,
        Watchdog=partial(watchdog.Watchdog, interval=0.5),
    )


if __name__ == "__main__":
    shorten()
    main()
