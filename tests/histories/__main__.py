"""`python -m tests.histories`: random histories for as long as one likes, up to the first that breaks a rule."""

from __future__ import annotations

import io
import logging
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.histories.broken import RULES
from tests.histories.listening import Broker
from tests.histories.rules import live
from tests.integration.rabbit import RabbitNode

OTHER_THREADS = "Do not use the `random` module inside strategies"
"""What hypothesis takes for a use of it while it draws is the listener's, in threads of its own."""
BATCH = 20
"""Histories that one seed makes."""


class Over(BaseException):
    """The time is over, or a rule is broken: hypothesis is to try nothing more."""


class Tally:
    """What has been run, and what has broken."""

    def __init__(self) -> None:
        self.histories = 0
        self.broken: Counter[str] = Counter()

    def note(self, error: Exception) -> None:
        """Something went wrong."""
        rule = next((name for name, kind in RULES.items() if isinstance(error, kind)), "other failures")
        self.broken[rule] += 1

    def __str__(self) -> str:
        rules = (*RULES, *(["other failures"] if self.broken["other failures"] else []))
        return ", ".join([f"{self.histories} histories", *(f"{self.broken[rule]} {rule}" for rule in rules)])


def run(number: int, tally: Tally, end: float, broker: Broker | None) -> None:
    """The histories of one seed. Raises Over when the time is, or when one has broken a rule."""

    written = io.StringIO()
    logging.basicConfig(stream=written, level=logging.INFO, force=True, format="%(asctime)s %(threadName)s %(message)s")

    @seed(number)
    @settings(
        max_examples=BATCH,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def histories(data: st.DataObject) -> None:
        written.seek(0)
        written.truncate()
        with tempfile.TemporaryDirectory() as folder:
            try:
                live(data.draw, Path(folder), broker)
            except Exception as error:
                tally.note(error)
                traceback.print_exc()
                click.echo(written.getvalue(), err=True)
                raise Over from None
        tally.histories += 1
        if time.monotonic() >= end:
            raise Over

    histories()


@contextmanager
def broker() -> Iterator[Broker]:
    """A node for all histories."""
    with RabbitNode() as node:
        yield Broker(node)


@click.command()
@click.option("--seconds", type=float, default=60.0, show_default=True, help="How long to go on.")
@click.option("--seed", "first", type=int, help="Begin with the histories of this seed, as a failure names it.")
@click.option("--broker/--no-broker", "with_broker", default=True, help="Whether a listener follows some of them.")
def main(seconds: float, first: int | None, with_broker: bool) -> None:
    """Runs random histories, and prints how many there were and what they broke; of that one also what was logged."""
    warnings.filterwarnings("ignore", OTHER_THREADS)
    for loud in ("pika", "aiohttp"):
        logging.getLogger(loud).setLevel(logging.CRITICAL)
    end = time.monotonic() + seconds
    tally = Tally()
    number = random.randrange(10**9) if first is None else first
    try:
        with broker() if with_broker else nullcontext() as node:
            while True:
                click.echo(f"seed {number} after {tally}", err=True)
                run(number, tally, end, node)
                number += 1
    except Over:
        again = f"; to run it again: python -m tests.histories --seed {number}" if tally.broken else ""
        click.echo(f"{tally}{again}")
    sys.exit(bool(tally.broken))


if __name__ == "__main__":
    main()
