"""The services' clocks at the start of a reading."""

from __future__ import annotations

from cos_update.openstack.clocks import ServiceClocks

NOON = "Tue, 14 Nov 2023 12:00:00 GMT"
NOON_UNIX = 1_699_963_200.0


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_answer_tells_what_the_clock_said_when_the_reading_began() -> None:
    watch = Stopwatch()
    clocks = ServiceClocks(watch)
    watch.seconds = 100.0
    clocks.begin()
    watch.seconds = 107.0
    clocks.note("compute", NOON)
    assert clocks.at_the_beginning() == {"compute": NOON_UNIX - 7}


def test_of_several_hosts_the_one_that_is_behind_counts() -> None:
    watch = Stopwatch()
    clocks = ServiceClocks(watch)
    clocks.note("compute", NOON)
    clocks.note("compute", "Tue, 14 Nov 2023 11:59:57 GMT")
    watch.seconds = 10.0
    clocks.note("compute", NOON)
    clocks.note("network", NOON)
    assert clocks.at_the_beginning() == {"compute": NOON_UNIX - 10, "network": NOON_UNIX - 10}


def test_each_reading_begins_anew_and_what_is_no_time_is_passed_over() -> None:
    clocks = ServiceClocks(Stopwatch())
    clocks.note("compute", NOON)
    clocks.begin()
    for date in (None, "", "noon"):
        clocks.note("compute", date)
    assert clocks.at_the_beginning() == {}
