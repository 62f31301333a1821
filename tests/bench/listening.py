"""The listener: events that change nothing, a burst, and single events, on an idle system and beside bulk passes."""

from __future__ import annotations

import json
import pickle
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median, quantiles

from .broker import BARE_QUEUE, Broker
from .events import event
from .figures import MB, Figure, Result, Target
from .installation import CONCURRENCY, Installation, Watch
from .programs import Cost, ProgramError, bare, run

LONGEST = 120.0
"""Seconds to wait for what the listener is to do."""
SHORTEST = 0.001
"""Seconds below which the difference between two runs means nothing."""
IN_PART = 3
"""The exit code of a pass that has left racks to the listener, which was posting to them."""
CHURN_BESIDE = 0.05
"""The part of the servers that has changed before each pass that runs beside the listener."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many events there are in each scenario, and how many servers those of the first two are about."""

    servers: int
    idle: int
    burst: int
    single: int


def amounts(servers: int) -> Amounts:
    """The usual amounts, and fewer for a cloud of less than 10,000 servers."""
    touched = max(1, min(500, servers // 20))
    return Amounts(touched, touched * 40, touched * 20, max(1, min(200, servers // 2)))


@dataclass(frozen=True, slots=True)
class Seen:
    """A PATCH of a device as the fake saw it; `at` is the Unix time of its answer."""

    path: str
    body: object
    at: float


class Patches:
    """The PATCHes of devices that reach Concertim from now on."""

    def __init__(self, installation: Installation) -> None:
        self._concertim = installation.concertim
        self._concertim.keep_requests(True)
        self._concertim.reset()
        self._read = 0

    def wait(self, paths: set[str], every: float) -> dict[str, Seen]:
        """The first PATCH of each path, once all have been seen; looks for them `every` so many seconds.

        Raises ProgramError when they don't come.
        """
        found: dict[str, Seen] = {}
        deadline = time.monotonic() + LONGEST
        while not found.keys() >= paths:
            if time.monotonic() > deadline:
                raise ProgramError(f"{len(paths - found.keys())} of {len(paths)} changes did not reach Concertim")
            time.sleep(every)
            fresh = self._concertim.requests(since=self._read)
            self._read += len(fresh)
            for item in fresh:
                if item["method"] == "PATCH" and item["path"] in paths and item["status"] == 200:
                    found.setdefault(item["path"], Seen(item["path"], item["body"], item["at"]))
        return found


class Stage:
    """A filled installation with a broker, whose queue is there: what all scenarios of the listener begin from."""

    def __init__(self, installation: Installation, broker: Broker, amounts: Amounts) -> None:
        self.installation = installation
        self.broker = broker
        self.amounts = amounts
        installation.configure(rmq=broker.section)
        installation.slow()
        # What an earlier scenario has changed in the cloud is brought over, and our queue is declared.
        installation.bulk()
        self._drain()
        view = pickle.loads((installation.data_dir / "view.pickle").read_bytes())
        self.origins: dict[str, dict[str, str]] = view["origins"]
        self.devices = {
            device["openstack_id"]: f"/api/v1/devices/{key}"
            for key, device in view["devices"].items()
            if device["openstack_id"]
        }

    def idle(self, repeat: int) -> Result:
        """Events about servers that have not changed, till the queue is drained."""
        amounts, installation = self.amounts, self.installation
        chosen = [
            {"id": key, "project_id": origin["project_id"]}
            for key, origin in self.origins.items()
            if origin["kind"] == "server"
        ][: amounts.servers]
        messages = [event(server, number) for number, server in enumerate(islice(cycle(chosen), amounts.idle))]
        drained, empty, consumed = [], [], []
        self.broker.bind_bare_queue(bound=True)
        for _ in range(repeat):
            empty.append(self._drain())
            self.broker.publish(messages)
            watch = Watch(installation.fakes)
            drained.append(self._drain())
            traffic = watch.traffic()
            consumed.append(self._consume(len(messages)))
        self.broker.bind_bare_queue(bound=False)
        seconds = max(_wall(drained) - _wall(empty), SHORTEST)
        bare_seconds = median(consumed)
        figures = [
            Figure(
                "events a second",
                amounts.idle / seconds,
                floor=amounts.idle / bare_seconds,
                target=Target(0.6, of_floor=True, at_least=True),
            ),
            Figure("wall beyond that of an empty queue", seconds, "s", bare_seconds),
            Figure("wall with an empty queue", _wall(empty), "s"),
            Figure("CPU an event", median(c.cpu for c in drained) / amounts.idle * 1e6, "µs"),
            Figure("peak memory", max(c.peak for c in drained) / MB, "MB"),
            Figure("requests", traffic.requests),
            Figure("writes", traffic.writes, target=Target(0)),
        ]
        events = f"{amounts.idle:,} events about {len(chosen):,} servers; the floor is a bare consumer"
        return Result("idle events", f"{installation.size}; {events}", figures, traffic.counts)

    def burst(self, repeat: int) -> Result:
        """Many events about servers that have changed, from the first publication to the last PATCH."""
        amounts, installation = self.amounts, self.installation
        walls, floors, published = [], [], []
        with self._listening():
            for _ in range(repeat):
                changed = installation.openstack.churn(amounts.servers)
                messages = [
                    event(server, number) for number, server in enumerate(islice(cycle(changed), amounts.burst))
                ]
                patches = Patches(installation)
                watch_began = time.time()
                self.broker.publish(messages)
                published.append(time.time() - watch_began)
                seen = patches.wait({self.devices[server["id"]] for server in changed}, every=0.1)
                walls.append(max(item.at for item in seen.values()) - watch_began)
                floors.append(self._patch(list(seen.values())))
        figures = [
            Figure("wall", median(walls), "s", median(floors), Target(1.2, of_floor=True)),
            Figure("of which publishing", median(published), "s"),
        ]
        words = (
            f"{self.installation.size}; {amounts.burst:,} events about {len(changed):,} servers; "
            f"the floor is {len(changed):,} PATCHes, {CONCURRENCY} at once"
        )
        return Result("burst", words, figures)

    def single(self) -> Result:
        """One event at a time on an idle system, from its publication to the PATCH."""
        with self._listening():
            seen, servers, taken = self._singles()
        task = self.installation.task(servers=servers, patches=[(item.path, item.body) for item in seen])
        floors: list[float] = json.loads(bare("round_trips", task).output)
        figures = [
            Figure("publish to PATCH, p50", median(taken), "s", median(floors), Target(2.0, of_floor=True)),
            Figure("publish to PATCH, p99", _p99(taken), "s", _p99(floors), Target(4.0, of_floor=True)),
        ]
        words = f"{self.installation.size}; {len(taken)} events one at a time; the floor is one GET and one PATCH"
        return Result("single events", words, figures)

    def beside(self) -> Result:
        """The same while bulk passes run one after the other."""
        size = self.installation.size
        changed = max(1, round(size.servers * CHURN_BESIDE))
        over = threading.Event()

        def bulk() -> list[Cost]:
            passes = []
            while not over.is_set():
                self.installation.openstack.churn(changed)
                passes.append(self.installation.bulk(IN_PART))
            return passes

        with self._listening(), ThreadPoolExecutor(1) as pool:
            running = pool.submit(bulk)
            try:
                _, _, taken = self._singles()
            finally:
                over.set()
            passes = running.result()
        figures = [
            Figure("publish to PATCH, p50", median(taken), "s"),
            Figure("publish to PATCH, p99", _p99(taken), "s", target=Target(2.0)),
            Figure("passes meanwhile", len(passes)),
            Figure("wall of a pass", _wall(passes), "s"),
        ]
        words = f"{size}; {len(taken)} events while bulk passes run, {changed:,} servers changed before each"
        return Result("beside bulk", words, figures)

    def _singles(self) -> tuple[list[Seen], list[str], list[float]]:
        """One event after the other: what was seen of each, its server, and the seconds that it took."""
        all_seen, servers, taken = [], [], []
        patches = Patches(self.installation)
        for number in range(self.amounts.single):
            (server,) = self.installation.openstack.churn(1)
            message = event(server, number)
            path = self.devices[server["id"]]
            began = time.time()
            self.broker.publish([message])
            seen = patches.wait({path}, every=0.01)[path]
            all_seen.append(seen)
            servers.append(server["id"])
            taken.append(seen.at - began)
        return all_seen, servers, taken

    def _patch(self, seen: Sequence[Seen]) -> float:
        """The seconds that a bare client takes for the same PATCHes, but for its start and login."""
        task = self.installation.task(patches=[(item.path, item.body) for item in seen], concurrency=CONCURRENCY)
        return float(json.loads(bare("floor", task).output)["patches"])

    def _consume(self, count: int) -> float:
        """The seconds that a bare consumer takes for this many messages, without its startup."""
        port, prefetch = self.broker.settings.port, self.broker.settings.prefetch
        task = {"port": port, "prefetch": prefetch, "queue": BARE_QUEUE, "count": count}
        return float(json.loads(bare("consuming", task).output))

    def _drain(self) -> Cost:
        return run(self.installation.command("listen", "--drain"))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """The listener as a daemon, from when it serves its queue."""
        with (
            (self.installation.folder / "listen.err").open("w+") as errors,
            subprocess.Popen(self.installation.command("listen"), stderr=errors, stdin=subprocess.DEVNULL) as process,
        ):
            try:
                deadline = time.monotonic() + LONGEST
                while not self.broker.is_served():
                    if process.poll() is not None or time.monotonic() > deadline:
                        errors.seek(0)
                        raise ProgramError(f"the listener does not serve its queue: {errors.read()[-4000:]}")
                    time.sleep(0.1)
                yield
            finally:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


def _wall(costs: Sequence[Cost]) -> float:
    return median(cost.wall for cost in costs)


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100, method="inclusive")[98]
