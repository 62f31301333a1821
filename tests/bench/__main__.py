"""`python -m tests.bench`: runs scenarios and prints their measurements. Only a report: no figure makes it fail."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack

import click

from . import passes, small
from .broker import Broker
from .daemon import daemon
from .figures import Result, shown
from .installation import Installation, Size
from .listening import Stage, amounts
from .sharing import sharing

SIZES = {"cold": Size(4000, 400, 0.02)}
USUAL = Size(10_000, 1000, 0.02)
SCENARIOS = ("start", "cold", "warm", "daemon", "churn", "view", "sharing", "idle", "burst", "single", "beside")


class Bench:
    """Runs scenarios; those of one size that begin from a filled Concertim share one installation."""

    def __init__(self, repeat: int, servers: int | None, stacks: int | None, latency: float | None) -> None:
        self._repeat = repeat
        self._servers, self._stacks, self._latency = servers, stacks, latency
        self._amounts = amounts(servers or USUAL.servers)
        self._shared: Installation | None = None
        self._staged: Stage | None = None
        self._held = ExitStack()

    def results(self, scenarios: tuple[str, ...]) -> Iterator[Result]:
        """The results, one after the other."""
        with self._held:
            for name in scenarios:
                yield self._result(name)

    def _result(self, name: str) -> Result:
        size = self._size(name)
        match name:
            case "start":
                return small.start(self._repeat)
            case "cold":
                return passes.cold(size)
            case "warm":
                return passes.warm(self._filled(size), self._repeat)
            case "daemon":
                return daemon(self._filled(size), self._repeat)
            case "churn":
                return passes.churn(self._filled(size), self._repeat)
            case "view":
                return small.view(self._filled(size), self._repeat)
            case "sharing":
                return sharing(self._filled(size), self._repeat)
            case "idle":
                return self._stage(size).idle(self._repeat)
            case "burst":
                return self._stage(size).burst(self._repeat)
            case "single":
                return self._stage(size).single()
        return self._stage(size).beside()

    def _size(self, name: str) -> Size:
        usual = SIZES.get(name, USUAL)
        servers = self._servers or usual.servers
        stacks = self._stacks or (max(1, servers // 10) if self._servers else usual.stacks)
        return Size(servers, stacks, usual.latency if self._latency is None else self._latency)

    def _filled(self, size: Size) -> Installation:
        if self._shared is None:
            say(f"filling a Concertim: {size.servers:,} servers")
            self._shared = self._held.enter_context(passes.filled(size))
        return self._shared

    def _stage(self, size: Size) -> Stage:
        if self._staged is None:
            installation = self._filled(size)
            say("starting a RabbitMQ")
            self._staged = Stage(installation, self._held.enter_context(Broker()), self._amounts)
        self._staged.installation.slow()
        return self._staged


def say(text: str) -> None:
    """Tells on stderr how far it is."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


@click.command()
@click.argument("scenarios", nargs=-1, type=click.Choice(SCENARIOS))
@click.option("--servers", type=click.IntRange(min=1), help="Servers of the cloud.")
@click.option("--stacks", type=click.IntRange(min=1), help="Stacks that hold them.  [default: one for 10 servers]")
@click.option("--latency", type=click.FloatRange(min=0), help="Seconds that every answer takes.  [default: 0.02]")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs; the median counts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
def main(
    scenarios: tuple[str, ...],
    servers: int | None,
    stacks: int | None,
    latency: float | None,
    repeat: int,
    as_json: bool,
) -> None:
    """Benchmark cos-update against bare programs that do only what is necessary; by default in all scenarios."""
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    results = []
    for result in Bench(repeat, servers, stacks, latency).results(scenarios or SCENARIOS):
        results.append(result)
        say(f"{result.scenario} is done")
        if not as_json:
            click.echo(shown([result]) + "\n")
    if as_json:
        click.echo(json.dumps({"machine": machine, "results": [result.as_json() for result in results]}, indent=2))
    else:
        click.echo(machine)


if __name__ == "__main__":
    main()
