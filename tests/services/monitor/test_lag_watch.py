"""Does the watch answer from its newest reading, leave no series of groups that are gone, and admit when it is old?"""

from datetime import UTC, datetime, timedelta

import pytest

from services.monitor.lag import Observed, Place, Reading
from services.monitor.lag_watch import CHECK, LagWatch
from services.monitor.ports import Committed, Unreadable
from services.monitor.verdicts import Verdict
from shared.platform.clock import FixedClock
from shared.platform.health import Health
from shared.platform.metrics import LAG_RECORDS

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVERY_S = 2.0
OURS = Place("matcher", "wire.story.released.v1", 0)
TIER = Place("deliverer.delivery.retry.1h", "wire.delivery.retry.1h.v1", 0)
FOREIGN = Place("stranger", "wire.story.released.v1", 0)


class Scripted:
    """A reader that sees what the test says, and each reading takes the time between two."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.sees: tuple[Observed, ...] | None = ()

    async def read(self) -> Reading:
        now = self.clock.advance(timedelta(seconds=EVERY_S))
        if self.sees is None:
            raise Unreadable("nobody answers")
        return Reading(now, self.sees)


@pytest.fixture
def reader() -> Scripted:
    return Scripted(FixedClock(NOW))


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def told() -> list[Committed]:
    return []


@pytest.fixture
def watch(reader: Scripted, health: Health, told: list[Committed]) -> LagWatch:
    return LagWatch(reader, reader.clock, health, EVERY_S, told.append)


def series() -> set[str]:
    [family] = LAG_RECORDS.collect()
    return {sample.labels["group"] for sample in family.samples}


async def test_before_the_first_reading_nothing_is_known(watch: LagWatch, health: Health) -> None:
    """No empty table that would look like a wire without readers."""
    assert watch.rows() is None
    assert CHECK in health.ready()[1]


async def test_a_group_that_is_gone_leaves_no_series_behind(watch: LagWatch, reader: Scripted) -> None:
    """A deleted group would else alarm for ever with its last number."""
    reader.sees = (Observed(OURS, 1, 2), Observed(FOREIGN, 1, 2))
    await watch.step()
    assert series() == {OURS.group, FOREIGN.group}
    reader.sees = (Observed(OURS, 2, 2),)
    await watch.step()
    assert series() == {OURS.group}


async def test_a_place_without_a_commit_has_no_series(watch: LagWatch, reader: Scripted) -> None:
    """0 would be a lie, the whole topic another."""
    reader.sees = (Observed(OURS, None, 2),)
    await watch.step()
    assert series() == set()


async def test_a_broker_that_is_away_leaves_the_last_reading_and_says_so(
    watch: LagWatch, reader: Scripted, health: Health
) -> None:
    """One missed reading is nothing; five are."""
    reader.sees = (Observed(OURS, 1, 2),)
    await watch.step()
    reader.sees = None
    await watch.step()
    assert health.ready() == (True, {})
    for _ in range(5):
        await watch.step()
    assert "nobody answers" in health.ready()[1][CHECK]
    assert [row.lag for row in watch.rows() or ()] == [1]
    assert series() == {OURS.group}


async def test_a_reading_that_hangs_is_noticed(watch: LagWatch, reader: Scripted, health: Health) -> None:
    """Nobody has said that anything failed; the reading only grows old."""
    reader.sees = (Observed(OURS, 1, 2),)
    await watch.step()
    reader.clock.advance(timedelta(seconds=60))
    assert not health.ready()[0]


async def test_a_standstill_becomes_a_verdict_and_a_retry_tier_does_not(watch: LagWatch, reader: Scripted) -> None:
    """The same standstill for half a minute: a stall here, the fixed delay of a tier there."""
    written = int(NOW.timestamp() * 1000)
    reader.sees = (Observed(OURS, 1, 9, written, members=1), Observed(TIER, 1, 9, written, members=1))
    for _ in range(15):
        await watch.step()
    assert {row.group: row.verdict for row in watch.rows() or ()} == {OURS.group: Verdict.STALL, TIER.group: Verdict.OK}


async def test_the_commits_of_those_who_take_a_story_further_are_told(
    watch: LagWatch, reader: Scripted, told: list[Committed]
) -> None:
    """A story waits for neither a foreign group nor the views, which only show it."""
    views = Place("views.story.released", OURS.topic, OURS.partition)
    reader.sees = (Observed(OURS, 7, 9), Observed(views, 5, 9), Observed(FOREIGN, 1, 9, ours=False))
    await watch.step()
    assert told == [{(OURS.topic, 0): 7}]
