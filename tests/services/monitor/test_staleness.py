"""Is staleness counted once, on the right lane, and split without a remainder?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.seen import Seen, glance
from services.monitor.staleness import PLACED_WITHIN, WINDOW, Staleness, split, spread
from shared.domain.events import Event, encode_event
from shared.domain.story import Kind
from shared.platform.clock import FixedClock
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.services.monitor.wire import Story

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STORY = Story("urn:slugline:test:1", NOW - timedelta(seconds=1))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


def taken(topic: Topic, event: Event) -> tuple[Record, Seen]:
    record = Record(topic, 0, 0, event.story_id, encode_event(event), {}, 0)
    seen = glance(record)
    assert seen
    return record, seen


RELEASE = taken(Topic.RELEASED_FLASH, STORY.released())
DELIVERY = taken(Topic.ATTEMPTS, STORY.attempted("delivered"))


@pytest.mark.parametrize("order", [(RELEASE, DELIVERY), (DELIVERY, RELEASE)])
def test_a_delivery_rides_the_lane_of_its_release(order: tuple[tuple[Record, Seen], ...], clock: FixedClock) -> None:
    """Whichever of the two is read first."""
    staleness = Staleness(clock)
    for record, seen in order:
        staleness.note(record, seen)
    assert [(row.channel, row.lane, row.count) for row in staleness.rows()] == [
        ("released", "flash", 1),
        ("webhook", "flash", 1),
    ]


def test_a_delivery_of_a_forgotten_release_is_counted_on_an_unknown_lane(clock: FixedClock) -> None:
    """A late retry is the stalest of all: it must not be left out for want of a lane."""
    staleness = Staleness(clock)
    staleness.note(*DELIVERY)
    staleness.settle()
    assert staleness.rows() == []
    clock.advance(PLACED_WITHIN)
    staleness.settle()
    assert [(row.lane, row.seconds.max_s) for row in staleness.rows()] == [("unknown", 0.15)]


def test_a_failed_try_is_no_arrival(clock: FixedClock) -> None:
    """Only a 2xx counts."""
    staleness = Staleness(clock)
    staleness.note(*RELEASE)
    staleness.note(*taken(Topic.ATTEMPTS, STORY.attempted("retrying")))
    assert [row.channel for row in staleness.rows()] == ["released"]


def test_what_is_sent_again_is_not_stale(clock: FixedClock) -> None:
    """A repeat, or the lifting of a withhold, carries the times of a text that was accepted long before."""
    staleness = Staleness(clock)
    for kind in (Kind.REPEAT, Kind.RELEASE):
        staleness.note(*taken(Topic.RELEASED, STORY.released(kind)))
    assert staleness.rows() == []


def test_history_is_not_counted_and_old_arrivals_leave(clock: FixedClock) -> None:
    """What is read at a start may be an hour old; the table covers ten minutes."""
    staleness = Staleness(clock)
    old = Story("urn:slugline:test:old", NOW - WINDOW - timedelta(seconds=1))
    staleness.note(*taken(Topic.RELEASED, old.released()))
    staleness.note(*RELEASE)
    assert [(row.lane, row.count) for row in staleness.rows()] == [("flash", 1)]
    clock.advance(WINDOW + timedelta(seconds=1))
    assert staleness.rows() == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**9), max_size=6), st.integers(0, 10**9))
def test_the_stages_add_up_to_the_whole(offsets: dict[str, int], took: int) -> None:
    """Whatever the order of the times: none is lost, none counts twice."""
    accepted = 1_700_000_000_000_000
    times = {stage: accepted + offset for stage, offset in offsets.items()} | {"accepted": accepted}
    stages = split({**times, "attempted": accepted + took}, accepted + took)
    assert sum(stages.values()) == pytest.approx(took / 1e6, abs=1e-6)
    assert all(seconds >= 0 for seconds in stages.values())


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank, no interpolation between two stories."""
    seen = spread([float(number) for number in range(1, 101)])
    assert (seen.p50_s, seen.p95_s, seen.p99_s, seen.max_s) == (51.0, 96.0, 100.0, 100.0)
