"""Do the shared tokens in a real Redis and their twin in memory keep the same rule?"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import redis.asyncio

from deploy.local.redis import LocalRedis
from services.distribution.throttle import Throttle
from shared.platform.rates import Ask, Grants, GrantsAway, OwnGrants
from shared.platform.redis import connect
from shared.platform.redis_rates import RedisGrants
from tests.services.distribution.throttled import TEN_SECONDS, Now, Worker, pass_time, some

KDC = Ask("subscriber", "kdc", 40.0)  # ten deep, two at once


@dataclass
class Bench:
    """Grants under test, by a clock of ours; `emptied` forgets all that was given."""

    grants: Grants
    clock: Now
    emptied: Callable[[], Grants]


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with connect(redis_url) as connected:
        yield connected


@pytest.fixture(params=["twin", pytest.param("redis", marks=pytest.mark.broker)])
def bench(request: pytest.FixtureRequest) -> Bench:
    clock = Now(1_700_000_000.0)
    if request.param == "twin":
        return Bench(OwnGrants(clock), clock, lambda: OwnGrants(clock))
    redis_at_hand, unique = request.getfixturevalue("client"), request.getfixturevalue("unique")
    return Bench(
        RedisGrants(redis_at_hand, f"{unique}:", clock), clock, lambda: RedisGrants(redis_at_hand, f"{unique}2:", clock)
    )


async def spent(grants: Grants, ask: Ask, times: int = 50) -> int:
    """How many tokens one gets who keeps asking in one moment."""
    return sum([(await grants.grant([ask]))[0].tokens for _ in range(times)])


async def test_a_bucket_nobody_knows_is_a_full_one(bench: Bench) -> None:
    """A quarter of a second of the rate, in slices of a twentieth."""
    [first] = await bench.grants.grant([KDC])
    assert first.tokens == 2
    assert await spent(bench.grants, KDC) == 8


async def test_a_grant_says_what_the_bucket_keeps(bench: Bench) -> None:
    """Ten deep, two given at once: eight, six, and so on to none."""
    kept = [(await bench.grants.grant([KDC]))[0].left for _ in range(6)]
    assert kept == [8, 6, 4, 2, 0, 0]


async def test_a_token_is_earned_every_fortieth_of_a_second(bench: Bench) -> None:
    """The wait that is told is the time until then."""
    await spent(bench.grants, KDC)
    [empty] = await bench.grants.grant([KDC])
    assert empty.tokens == 0
    assert empty.next_in_s == pytest.approx(0.025, abs=2e-6)
    bench.clock.at += empty.next_in_s
    [earned] = await bench.grants.grant([KDC])
    assert earned.tokens == 1


async def test_buckets_of_one_question_are_answered_in_its_order(bench: Bench) -> None:
    """An endpoint and a subscriber of one name are two buckets."""
    await spent(bench.grants, KDC)
    grants = await bench.grants.grant([Ask("endpoint", "kdc", 0.5), KDC, Ask("subscriber", "other", 1_000.0)])
    assert [grant.tokens for grant in grants] == [1, 0, 50]


async def test_a_slow_rate_has_one_token_and_earns_the_next_in_its_time(bench: Bench) -> None:
    """Three a minute: one at once, none for twenty seconds."""
    slow = Ask("endpoint", "slow", 0.05)
    assert await spent(bench.grants, slow) == 1
    bench.clock.at += 19.9
    assert await spent(bench.grants, slow) == 0
    bench.clock.at += 0.1
    assert await spent(bench.grants, slow) == 1


async def test_a_clock_that_goes_back_costs_one_bucket(bench: Bench) -> None:
    """Nobody is silenced for an hour because a server's clock was an hour ahead."""
    await spent(bench.grants, KDC)
    bench.clock.at -= 3_600
    assert await spent(bench.grants, KDC) == 0
    bench.clock.at += 0.25
    assert await spent(bench.grants, KDC) == 10


async def test_two_workers_share_one_subscriber_within_five_per_cent(bench: Bench) -> None:
    """Over ten seconds, from the first delivery on."""
    workers = [
        Worker(Throttle(bench.grants, OwnGrants(bench.clock), bench.clock), some(5, named), KDC.rate)
        for named in ("here", "there")
    ]
    await pass_time(bench.clock, workers, TEN_SECONDS)
    assert abs(sum(len(worker.went) for worker in workers) - 400) <= 20
    assert all(len(worker.went) >= 100 for worker in workers)


async def test_tokens_that_are_forgotten_cost_one_burst(bench: Bench) -> None:
    """An emptied store makes full buckets, no more."""
    await spent(bench.grants, KDC)
    assert await spent(bench.emptied(), KDC) == 10


async def test_a_redis_that_was_emptied_takes_the_script_again(client: redis.asyncio.Redis, unique: str) -> None:
    """A restart forgets scripts too, and nobody notices."""
    grants = RedisGrants(client, f"{unique}:")
    await grants.grant([KDC])
    await client.script_flush()
    [grant] = await grants.grant([KDC])
    assert grant.tokens == 2


async def test_by_default_the_servers_clock_counts(client: redis.asyncio.Redis, unique: str) -> None:
    """Workers whose clocks differ see one bucket: what one took the other lacks."""
    slow = Ask("endpoint", "slow", 0.001)
    [here] = await RedisGrants(client, f"{unique}:").grant([slow])
    [there] = await RedisGrants(client, f"{unique}:").grant([slow])
    assert (here.tokens, there.tokens) == (1, 0)
    assert 990 < there.next_in_s <= 1_000


async def test_a_bucket_does_not_stay_in_redis_for_ever(client: redis.asyncio.Redis, unique: str) -> None:
    """It expires once it has long been full again."""
    await RedisGrants(client, f"{unique}:").grant([KDC])
    assert 0 < await client.pttl(f"{unique}:throttle:subscriber:kdc") <= 61_000


async def test_a_redis_that_is_away_is_told_as_such() -> None:
    """The throttle then goes by its own clock."""
    async with connect("redis://127.0.0.1:9/0") as nobody:
        with pytest.raises(GrantsAway):
            await RedisGrants(nobody).grant([KDC])


async def test_a_throttle_outlives_a_redis_that_is_killed(local_redis: LocalRedis, unique: str) -> None:
    """Killed, the fallback counts; started again, the shared tokens do."""
    clock = Now()
    async with connect(local_redis.url) as connected:
        throttle = Throttle(RedisGrants(connected, f"{unique}:", clock), OwnGrants(clock), clock)
        worker = Worker(throttle, {"ep": 100.0}, None)
        await pass_time(clock, [worker], 0.5)
        await local_redis.kill()
        await pass_time(clock, [worker], 0.5)
        alone = len(worker.went)
        await local_redis.start()
        await local_redis.ready()
        clock.at += 2.0
        await pass_time(clock, [worker], 0.5)
        assert await connected.exists(f"{unique}:throttle:endpoint:ep")
    assert 100 <= alone <= 100 + 2 * 25 + 5
    assert len(worker.went) >= alone + 50
