"""Is nobody sent to faster than it may be, by all workers together, and nobody slower than it could be?"""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given as provided
from hypothesis import strategies as st

from services.distribution.throttle import FORGOTTEN_S, Throttle, of_subscribers
from shared.platform.rates import AWAY_S, HAIR, Ask, Grant, Grants, GrantsAway, OwnGrants
from shared.platform.rates import given as granted
from tests.services.distribution.throttled import TEN_SECONDS, Now, Worker, pass_time, some
from tests.waiting import wait_until


@dataclass
class Flaky:
    """Grants that can be taken away and brought back."""

    behind: Grants
    away: bool = False
    asked: int = 0

    async def grant(self, asks: Sequence[Ask]) -> Sequence[Grant]:
        self.asked += 1
        if self.away:
            raise GrantsAway("gone")
        return await self.behind.grant(asks)


def a_worker(
    shared: Grants, clock: Now, endpoints: dict[str, float | None], subscriber_rate: float | None = None
) -> Worker:
    throttle = Throttle(shared, OwnGrants(clock), clock, random.Random(11).random)
    return Worker(throttle, endpoints, subscriber_rate)


@pytest.fixture
def clock() -> Now:
    return Now()


@pytest.mark.parametrize("rate", [50.0, 333.3, 1_000.0])
async def test_two_workers_keep_the_rate_of_a_subscriber_they_share(clock: Now, rate: float) -> None:
    """Within 5 % over ten seconds, from the first delivery on, however many endpoints ask."""
    shared = OwnGrants(clock)
    workers = [a_worker(shared, clock, some(20, named), rate) for named in ("here", "there")]
    await pass_time(clock, workers, TEN_SECONDS)
    sent = sum(len(worker.went) for worker in workers)
    assert abs(sent - rate * TEN_SECONDS) <= 0.05 * rate * TEN_SECONDS


async def test_a_rate_below_one_a_second_is_kept_to_the_delivery(clock: Now) -> None:
    """One at once, then one every two and a half seconds."""
    worker = a_worker(OwnGrants(clock), clock, {"slow": 0.4})
    await pass_time(clock, [worker], TEN_SECONDS)
    times = [at - worker.went[0][0] for at, _ in worker.went]
    assert [round(each, 1) for each in times] == [0.0, 2.5, 5.0, 7.5]


async def test_one_worker_alone_has_the_whole_rate(clock: Now) -> None:
    """A second worker that sends nothing takes nothing away."""
    shared = OwnGrants(clock)
    busy, idle = a_worker(shared, clock, some(3), 40.0), a_worker(shared, clock, {}, 40.0)
    await pass_time(clock, [busy, idle], TEN_SECONDS)
    assert abs(len(busy.went) - 400) <= 20


async def test_endpoints_of_one_subscriber_share_its_rate_evenly(clock: Now) -> None:
    """None of thirty that always have work goes without."""
    worker = a_worker(OwnGrants(clock), clock, some(30), 60.0)
    await pass_time(clock, [worker], TEN_SECONDS)
    counts = [sum(name == each for _, name in worker.went) for each in worker.endpoints]
    assert min(counts) >= 10
    assert max(counts) <= 40


async def test_none_of_very_many_endpoints_of_one_subscriber_is_left_out(clock: Now) -> None:
    """Where a turn is further off than anyone is told to wait, chance decides."""
    worker = a_worker(OwnGrants(clock), clock, some(200), 100.0)
    await pass_time(clock, [worker], 2 * TEN_SECONDS)
    assert {name for _, name in worker.went} == set(worker.endpoints)
    assert abs(len(worker.went) - 2_000) <= 100


async def test_the_smaller_of_two_rates_counts(clock: Now) -> None:
    """An endpoint's own limit holds below its subscriber's, and what it may not use is left to its siblings."""
    worker = a_worker(OwnGrants(clock), clock, {"slow": 2.0, "free": None}, 50.0)
    await pass_time(clock, [worker], TEN_SECONDS)
    slow = sum(name == "slow" for _, name in worker.went)
    assert slow in (20, 21)
    assert abs(len(worker.went) - 500) <= 25


async def test_without_a_rate_nothing_is_asked(clock: Now) -> None:
    """The usual case costs no look anywhere."""
    shared = Flaky(OwnGrants(clock))
    throttle = Throttle(shared, OwnGrants(clock), clock)
    assert throttle.take("ep", None, "kdc", None, clock()) == 0.0
    await throttle.settle()
    assert shared.asked == 0


async def test_what_is_refused_takes_no_token(clock: Now) -> None:
    """An endpoint that waits for its subscriber keeps its own token."""
    shared = OwnGrants(clock)
    throttle = Throttle(shared, OwnGrants(clock), clock)
    assert throttle.take("ep", 0.1, "kdc", 1.0, clock()) > 0
    await throttle.settle()
    assert throttle.take("ep", 0.1, "kdc", 1.0, clock()) > 0  # its own is there, the subscriber's is asked for
    await throttle.settle()
    assert throttle.take("ep", 0.1, "kdc", 1.0, clock()) == 0.0


async def test_without_the_shared_tokens_the_fallback_keeps_the_rate(clock: Now) -> None:
    """Two workers that each own half of the shards have half of the subscriber's rate each."""
    shared = Flaky(OwnGrants(clock), away=True)
    workers = [
        Worker(Throttle(shared, OwnGrants(clock, of_subscribers(lambda: 0.5)), clock), some(5, named), 80.0)
        for named in ("a", "b")
    ]
    await pass_time(clock, workers, TEN_SECONDS)
    for worker in workers:
        assert abs(len(worker.went) - 400) <= 20


async def test_an_endpoint_keeps_its_whole_rate_in_the_fallback(clock: Now) -> None:
    """It has one owner, whoever owns the other shards."""
    shared = Flaky(OwnGrants(clock), away=True)
    worker = Worker(Throttle(shared, OwnGrants(clock, of_subscribers(lambda: 0.25)), clock), {"ep": 40.0}, None)
    await pass_time(clock, [worker], TEN_SECONDS)
    assert abs(len(worker.went) - 400) <= 20


async def test_who_owns_no_shard_is_given_nothing_of_a_subscribers_rate(clock: Now) -> None:
    """Nor is it divided by nothing."""
    [grant] = await OwnGrants(clock, of_subscribers(lambda: 0.0)).grant([Ask("subscriber", "kdc", 10.0)])
    assert grant.tokens == 0


async def test_the_shared_tokens_are_asked_for_once_a_second_while_they_are_away(clock: Now) -> None:
    """And again by everybody once they are back."""
    shared = Flaky(OwnGrants(clock), away=True)
    worker = a_worker(shared, clock, {"ep": 200.0})
    await pass_time(clock, [worker], 3 * AWAY_S)
    assert shared.asked in (3, 4)
    shared.away = False
    await pass_time(clock, [worker], 2 * AWAY_S)
    asked = shared.asked
    await pass_time(clock, [worker], AWAY_S)
    assert shared.asked > asked + 10
    assert abs(len(worker.went) - 6 * 200) <= 2 * 50  # a full bucket at either change


async def test_a_new_rate_counts_at_once(clock: Now) -> None:
    """An owner who raises a limit does not sit out the wait of the old one."""
    worker = a_worker(OwnGrants(clock), clock, {"ep": 0.01})
    await pass_time(clock, [worker], 0.1)
    worker.endpoints["ep"] = 100.0
    worker.back_at.clear()
    await pass_time(clock, [worker], 1.0)
    assert len(worker.went) > 50


async def test_idle_buckets_are_forgotten(clock: Now) -> None:
    """A rate that nobody uses holds no memory."""
    throttle = Throttle(OwnGrants(clock), OwnGrants(clock), clock)
    for number in range(100):
        throttle.take(f"ep-{number}", 5.0, "kdc", None, clock())
    await throttle.settle()
    clock.at += 2 * FORGOTTEN_S
    throttle.take("ep-0", 5.0, "kdc", None, clock())
    await throttle.settle()
    assert throttle.buckets == 1


async def test_the_job_fetches_what_was_asked_for_and_ends_when_told() -> None:
    """`take` never waits; the job makes it true soon after."""
    clock = asyncio.get_running_loop().time
    throttle, stop = Throttle(OwnGrants(clock), OwnGrants(clock), clock), asyncio.Event()
    running = asyncio.create_task(throttle.run(stop))
    assert throttle.take("ep", 5.0, "kdc", 100.0, clock()) > 0
    await wait_until(lambda: throttle.take("ep", 5.0, "kdc", 100.0, clock()) == 0.0, 5)
    stop.set()
    await asyncio.wait_for(running, 5)


@provided(
    rate=st.floats(0.05, 5_000),
    pauses=st.lists(st.floats(0, 0.5), min_size=1, max_size=60),
)
def test_no_more_than_a_bucket_and_the_rate_is_ever_given(rate: float, pauses: list[float]) -> None:
    """Whenever it is asked: in all the time since the start, its depth and what the rate earned, to the token."""
    ask, until, now, tokens = Ask("endpoint", "ep", rate), 0.0, 1_000.0, 0
    for pause in pauses:
        now += pause
        until, grant = granted(ask, until, now)
        tokens += grant.tokens
        assert tokens <= math.floor(ask.depth + rate * (now - 1_000.0 - pauses[0]) + 0.01)


@provided(rate=st.floats(0.05, 5_000), pauses=st.lists(st.floats(0, 0.5), max_size=20))
def test_the_wait_told_is_when_there_is_a_token(rate: float, pauses: list[float]) -> None:
    """Not before it, so that nobody looks in vain, and at that time for certain."""
    ask, until, now = Ask("endpoint", "ep", rate), 0.0, 1_000.0
    for pause in pauses:
        now += pause
        until, _ = granted(ask, until, now)
    grant = Grant(1, 0.0)
    while grant.tokens:
        until, grant = granted(ask, until, now)
    too_soon = now + grant.next_in_s - 2 * HAIR / rate
    assert too_soon <= now or granted(ask, until, too_soon)[1].tokens == 0
    assert granted(ask, until, now + grant.next_in_s)[1].tokens == 1
