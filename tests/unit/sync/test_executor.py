"""The executor waits for no call without an end, and says of every action what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cos_update.model.concertim import Device, Rack, Record
from cos_update.planning.outcome import Applied, Outcome, Result
from cos_update.planning.plan import Action, Plan, RackPlan, Verb
from cos_update.sync.calls import NOT_BEGUN
from cos_update.sync.executor import UNKNOWN, execute


@dataclass
class Scripted:
    """A Concertim that accepts every change once `answer` of the object's name returns."""

    answer: Callable[[str], object]
    retries_ended: threading.Event = field(default_factory=threading.Event)

    def create(self, record: Record) -> Record:
        return record

    def update(self, record: Record, changes: Mapping[str, object]) -> Record:
        self.answer(record.name)
        return record

    def delete(self, record: Record) -> None:
        self.answer(record.name)

    def device(self, device_id: str) -> Device | None:
        return None

    def end_retries(self) -> None:
        self.retries_ended.set()


@contextmanager
def unguarded(_: RackPlan) -> Iterator[Callable[[Sequence[Outcome]], None]]:
    yield lambda outcomes: None


def rack_plan(name: str, *, actions: int = 1) -> RackPlan:
    rack = Rack(name, name, "owner", 42, "ACTIVE")
    changes = tuple(Action(Verb.UPDATE, rack, {"name": f"{name}-{number}"}) for number in range(actions))
    return RackPlan(name, "project", "owner", "owner", name, "ACTIVE", name, actions=changes)


def executed(
    concertim: Scripted,
    *plans: RackPlan,
    stop: threading.Event | None = None,
    within: float = 60.0,
    stuck: float = 60.0,
) -> Applied:
    plan = Plan(rack_plans=plans)
    return execute(
        plan, concertim, unguarded, workers=2, stop=stop or threading.Event(), within=within, stuck_after=stuck
    )


def ends(applied: Applied, name: str) -> list[tuple[Result, str]]:
    return [(outcome.result, outcome.reason) for outcome in applied.outcomes if outcome.action.name == name]


def test_a_call_that_hangs_is_given_up_when_nothing_has_moved_for_long_enough() -> None:
    end = threading.Event()
    concertim = Scripted(lambda name: name == "hangs" and end.wait())
    applied = executed(concertim, rack_plan("hangs", actions=2), rack_plan("well"), stuck=0.3)
    end.set()
    assert ends(applied, "well") == [(Result.DONE, "")]
    assert ends(applied, "hangs") == [(Result.FAILED, UNKNOWN), (Result.SKIPPED, NOT_BEGUN)]


def test_what_ends_after_it_was_given_up_is_not_said_a_second_time() -> None:
    end, ended = threading.Event(), threading.Event()

    def answer(name: str) -> None:
        end.wait()
        ended.set()

    applied = executed(Scripted(answer), rack_plan("hangs"), stuck=0.3)
    end.set()
    assert ended.wait(10)
    assert ends(applied, "hangs") == [(Result.FAILED, UNKNOWN)]


def test_as_long_as_something_moves_it_is_waited_for_however_long_it_takes_altogether() -> None:
    applied = executed(Scripted(lambda _: time.sleep(0.1)), rack_plan("slow", actions=12), stuck=1.0)
    assert ends(applied, "slow") == [(Result.DONE, "")] * 12


def test_a_stop_ends_the_retries_and_gives_what_is_in_flight_its_time() -> None:
    asked, in_flight, end = threading.Event(), threading.Event(), threading.Event()
    concertim = Scripted(lambda _: (in_flight.set(), end.wait()))
    applied: list[Applied] = []

    def run() -> None:
        applied.append(executed(concertim, rack_plan("hangs", actions=2), stop=asked, within=0.3))

    thread = threading.Thread(target=run)
    thread.start()
    assert in_flight.wait(10)
    asked.set()
    thread.join(10)
    end.set()
    assert not thread.is_alive()
    assert concertim.retries_ended.is_set()
    assert ends(applied[0], "hangs") == [(Result.FAILED, UNKNOWN), (Result.SKIPPED, NOT_BEGUN)]


def test_what_is_in_flight_at_a_stop_is_finished_when_it_answers_in_time() -> None:
    asked = threading.Event()
    concertim = Scripted(lambda _: asked.set())
    applied = executed(concertim, rack_plan("quick", actions=2), stop=asked)
    assert ends(applied, "quick") == [(Result.DONE, ""), (Result.SKIPPED, NOT_BEGUN)]
