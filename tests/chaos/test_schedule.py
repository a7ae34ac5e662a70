"""The plan of faults: the same for the same seed, and with everything in it that a run of its length must meet."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.points import CRASH_TABLE
from tests.chaos.schedule import (
    APART_S,
    BROKER_AWAY,
    PROCESS_KILLS,
    QUIET_AT_END_S,
    QUIET_AT_START_S,
    SERVICES,
    Kind,
    Planned,
    planned,
    rendered,
)

seeds = st.integers(min_value=0, max_value=2**63)


def kills(plan: list[Planned]) -> list[Planned]:
    return [one for one in plan if one.kind in PROCESS_KILLS]


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    """In order of time, whoever plans it and how often."""
    assert planned(seed, 5) == planned(seed, 5) == sorted(planned(seed, 5))


def test_another_seed_gives_another_plan() -> None:
    """A seed that decided nothing would hide every interleaving but one."""
    assert len({rendered(planned(seed, 5)) for seed in range(20)}) == 20


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_five_minutes_hold_twenty_kills_and_one_short_outage(seed: int) -> None:
    """Kills of all three ways, each service among the killed, and the other kinds mixed in."""
    plan = planned(seed, 5)
    assert len(kills(plan)) >= 20
    assert {one.kind for one in kills(plan)} >= {Kind.FAILPOINT}
    assert [one.seconds for one in plan if one.kind in BROKER_AWAY] == [5.0]
    assert {Kind.REDIS_FLUSHED, Kind.ZOMBIE, Kind.SECOND, Kind.CLOCK, Kind.POISON} <= {one.kind for one in plan}


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_an_hour_holds_two_hundred_kills_and_every_kind(seed: int) -> None:
    """Outages of 5 and 60 s both ways; every service killed, and every row of the crash table visited."""
    plan = planned(seed, 60)
    assert len(kills(plan)) >= 200
    assert {one.kind for one in plan} == set(Kind)
    outages = sorted((one.kind, one.seconds) for one in plan if one.kind in BROKER_AWAY - {Kind.DISK_FULL})
    assert outages == sorted((kind, s) for kind in (Kind.BROKER_STOPPED, Kind.BROKER_KILLED) for s in (5.0, 60.0))
    assert {one.target for one in kills(plan)} == set(SERVICES)
    visited = {(one.target, one.point) for one in plan if one.kind is Kind.FAILPOINT}
    assert all(any((row.service, point) in visited for point in row.points) for row in CRASH_TABLE)


@given(seeds, st.sampled_from([5, 20, 60]))
@settings(max_examples=15, deadline=None)
def test_kills_of_one_service_are_apart_and_the_ends_are_quiet(seed: int, minutes: int) -> None:
    """A service is given time to come back; what was filed last is given time to arrive."""
    plan = planned(seed, minutes)
    by_service = defaultdict(list)
    for one in kills(plan):
        by_service[one.target].append(one.at)
    assert all(later - sooner >= APART_S - 0.1 for times in by_service.values() for sooner, later in pairwise(times))
    assert plan[0].at >= QUIET_AT_START_S - 0.1
    assert all(one.at + one.seconds <= minutes * 60 - QUIET_AT_END_S + 0.1 for one in plan)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_nothing_else_happens_to_a_process_that_stands_still(seed: int) -> None:
    """A kill of a zombie or of a process with a wrong clock would undo the fault."""
    plan = planned(seed, 60)
    for still in (one for one in plan if one.kind in (Kind.ZOMBIE, Kind.CLOCK)):
        others = [one for one in plan if one is not still and one.target == still.target]
        assert not [one for one in others if still.at <= one.at < still.at + still.seconds + APART_S - 0.1]


def test_a_run_without_a_disk_of_its_own_leaves_the_disk_alone() -> None:
    """The real disk is never filled."""
    assert not [one for one in planned(1, 60, disk=False) if one.kind is Kind.DISK_FULL]


@pytest.mark.parametrize("wanted", [2, 4])
def test_a_short_run_holds_what_it_is_asked_for(wanted: int) -> None:
    """For tests of the accountant itself."""
    assert len(kills(planned(7, 1.5, kills=wanted))) >= 2


def test_the_plan_is_told_line_by_line() -> None:
    """How many of what, and then each with its time, target and place."""
    plan = planned(1, 5)
    lines = rendered(plan).splitlines()
    assert f"{len(plan)} faults" in lines[0]
    assert sum("failpoint" in line and " s  " in line for line in lines) == sum(
        one.kind is Kind.FAILPOINT for one in plan
    )
