"""What becomes of an endpoint that cannot be sent to, or not as fast: the log owes it, and nobody else waits."""

import asyncio
from datetime import timedelta

import pytest

from services.distribution.catching_up import IN_HAND
from services.distribution.outcome import Delivered, Refused, Unreachable
from services.distribution.queues import BURST
from shared.domain.events import StoryReleased
from shared.domain.health import HEALTH, CatchUp, EndpointHealth
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.domain.subscription import EndpointState, Ordering
from shared.platform.consuming import Completion
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import STORY, block_record, endpoint, item, released, subscription
from tests.services.distribution.ledger import Bench, Log

DEAD, WELL = "ep_dead", "ep_well"
SHARDS = frozenset({0})
TIERED = [(f"{STORY}:{offset}", 1) for offset in range(4)]
"""What `die` has left in tiers."""


@pytest.fixture(params=list(Ordering))
async def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench()
    made.know(endpoint(DEAD), endpoint(WELL))
    made.know(subscription("s1", DEAD, request.param), subscription("s2", WELL, request.param))
    await made.deliverer.gained(SHARDS)
    return made


class Silent(Log):
    """A log behind a broker that is away."""

    async def read(self, lane: Lane, offset: int) -> StoryReleased | None:
        raise TimeoutError


def story(number: int) -> str:
    return f"{STORY}:{number}"


def put(
    bench: Bench, offset: int, release_no: int = 1, kind: Kind = Kind.PUBLISH, lane: Lane = Lane.ROUTINE, of: str = ""
) -> Item:
    """Put a release at a place of its lane, owed to both endpoints from its story's first release on."""
    made = item(release_no, kind, lane, of or story(offset)).model_copy(update={"seq": offset})
    bench.log.lanes[lane, offset] = released(made)
    bench.recipients.add(made.story_id, [DEAD, WELL])
    return made


async def due(bench: Bench, one: Item, *endpoint_ids: str) -> Completion | None:
    """Let the block of a release come, for the endpoint in trouble unless said otherwise."""
    passing = await bench.deliverer.handle(block_record(one, *(endpoint_ids or (DEAD,)), offset=one.seq or 0))
    await bench.work()
    return passing


async def die(bench: Bench, begin: int = 0) -> None:
    """Let the endpoint fail five times, and be left alone: the log owes it the last of those, tiers the others."""
    bench.wire.answers = [Unreachable("timeout")] * 5
    for offset in range(begin, begin + 5):
        await due(bench, put(bench, offset))
    bench.wire.answers = []
    assert bench.conditions.why_shut(DEAD) == "breaker"


def record(bench: Bench, endpoint_id: str = DEAD) -> EndpointHealth | None:
    """What `endpoint.health` says of an endpoint now."""
    of_it = [one for one in bench.log.on(Topic.ENDPOINT_HEALTH) if one.key == key_of(endpoint_id, HEALTH)]
    return EndpointHealth.model_validate_json(of_it[-1].value) if of_it and of_it[-1].value else None


def owed(bench: Bench) -> CatchUp:
    told = record(bench)
    assert told is not None
    assert told.catch_up is not None
    return told.catch_up


def delivered(bench: Bench, endpoint_id: str = DEAD) -> list[tuple[str, int | None]]:
    rows = [row for row in bench.log.rows() if row.data.endpoint_id == endpoint_id]
    return [(row.story_id, row.release_no) for row in rows if row.data.state == "delivered"]


async def come_back(bench: Bench, seconds: float = 3_600) -> None:
    """Let time pass until the endpoint is probed, and let it answer from now on."""
    for _ in range(20):
        await bench.read_tiers()
        await bench.fall_due(seconds / 20)
        await bench.catch_up()


async def test_what_falls_due_for_a_dead_endpoint_costs_neither_a_row_nor_memory(bench: Bench) -> None:
    """One record says from where on the log owes it; behind that, blocks pass at once."""
    await die(bench)
    before = len(bench.log.rows())
    passing = [await due(bench, put(bench, offset)) for offset in range(5, 300)]
    assert passing == [None] * 295
    assert len(bench.log.rows()) == before
    assert len(bench.queues) == 0
    assert owed(bench).position == {Lane.ROUTINE: 5}
    assert len(bench.log.on(Topic.ENDPOINT_HEALTH)) < 20


async def test_one_that_may_have_a_successor_writes_nothing_until_it_is_certain(bench: Bench) -> None:
    """A process that was paused would put its old position over that of the new owner."""
    await die(bench)
    await due(bench, put(bench, 5))
    before = len(bench.log.health())
    bench.alive = False
    bench.conditions.succeeded(DEAD)
    writing = asyncio.ensure_future(due(bench, put(bench, 0, lane=Lane.FLASH, of=f"{STORY}:flash")))
    reading = asyncio.ensure_future(bench.reader.step())
    await asyncio.wait({writing, reading}, timeout=0.05)
    assert len(bench.log.health()) == before
    bench.conditions.lost(SHARDS)
    bench.tenure.lost(SHARDS)
    bench.alive = True
    await writing
    await reading
    assert len(bench.log.health()) == before


async def test_a_block_passes_only_once_the_record_is_confirmed(bench: Bench) -> None:
    """Killed in between, the block is read again."""
    await die(bench)
    bench.log.fail_on = Topic.ENDPOINT_HEALTH
    with pytest.raises(ConnectionError):
        await due(bench, put(bench, 5))


async def test_what_was_missed_comes_in_the_order_of_the_log(bench: Bench) -> None:
    """Every release of it, once, whoever was tried before."""
    await die(bench)
    for offset in range(5, 60):
        await due(bench, put(bench, offset))
    await come_back(bench)
    assert sorted(delivered(bench)) == sorted((story(offset), 1) for offset in range(60))
    assert [found for found in delivered(bench) if found not in TIERED] == [(story(at), 1) for at in range(4, 60)]
    assert len(bench.wire.sent) == 60 + 5
    assert record(bench) is None


async def test_flashes_are_read_to_their_end_before_anything_routine(bench: Bench) -> None:
    """Breaking goes first here, too."""
    await die(bench)
    for offset in range(5, 20):
        await due(bench, put(bench, offset))
    for offset in range(3):
        await due(bench, put(bench, offset, lane=Lane.FLASH, of=f"{STORY}:flash:{offset}"))
    await come_back(bench)
    assert delivered(bench)[:3] == [(f"{STORY}:flash:{offset}", 1) for offset in range(3)]


async def test_the_first_that_goes_is_a_probe_and_alone(bench: Bench) -> None:
    """A dead endpoint costs one slot now and then, not a queue of timeouts."""
    await die(bench)
    await due(bench, put(bench, 5))
    bench.wire.answers = [Unreachable("timeout")] * 2
    before = len(bench.wire.sent)
    for _ in range(2):
        await bench.fall_due(30)
        await bench.catch_up()
    assert len(bench.wire.sent) == before + 2
    told = record(bench)
    assert told is not None
    assert told.state == "open"
    assert told.opened == 3


async def test_a_probe_that_fails_stays_in_the_log_and_in_no_tier(bench: Bench) -> None:
    """Its tries are counted on in the record."""
    await die(bench)
    retries = len(bench.log.on(Topic.RETRY_10S, Topic.RETRY_1M))
    bench.wire.answers = [Unreachable("timeout")]
    await bench.fall_due(30)
    await bench.catch_up()
    assert len(bench.log.on(Topic.RETRY_10S, Topic.RETRY_1M)) == retries
    assert max(each.attempts for each in owed(bench).loose[Lane.ROUTINE]) == 2


async def test_one_that_is_refused_over_and_over_lets_the_next_be_the_probe(bench: Bench) -> None:
    """A story that breaks its receiver is not the end of all others."""
    await die(bench)
    await due(bench, put(bench, 5))
    bench.wire.answers = [Refused(500)] * 4
    await come_back(bench)
    assert (story(5), 1) in delivered(bench)


async def test_a_retry_that_comes_back_from_its_tier_goes_back_to_the_log(bench: Bench) -> None:
    """Its record passes, and its tries are not forgotten."""
    bench.wire.answers = [Unreachable("timeout")]
    await due(bench, put(bench, 0))
    await die(bench, 1)
    (event, waiting) = bench.log.retries()[0]
    passing = await bench.deliverer.handle(waiting)
    bench.clock.advance(timedelta(seconds=19))
    await bench.waiting.perform_due()
    await bench.work()
    assert passing is not None
    assert passing.done()
    [loose] = [each for each in owed(bench).loose[Lane.ROUTINE] if each.offset == 0]
    assert (loose.attempts, loose.first_failed_at) == (1, event.data.first_failed_at)
    await come_back(bench)
    assert [row.data.n for row in bench.log.rows() if row.story_id == story(0)] == [1, 2]


async def test_a_kill_of_what_the_log_owes_ends_it_and_comes_itself(bench: Bench) -> None:
    """The text is never sent; who was owed it is told that it is dead."""
    await die(bench)
    await due(bench, put(bench, 5))
    await due(bench, put(bench, 0, 2, Kind.KILL, Lane.FLASH, story(5)))
    await come_back(bench)
    assert (story(5), 2) in delivered(bench)
    assert (story(5), 1) not in delivered(bench)
    assert [row.data.state for row in bench.log.rows() if (row.story_id, row.release_no) == (story(5), 1)] == ["killed"]


async def test_a_notice_goes_past_a_catch_up_that_is_under_way(bench: Bench) -> None:
    """The endpoint can be reached: what is withdrawn is withdrawn now, not behind an hour of old copy."""
    await die(bench)
    for offset in range(5, 300):
        await due(bench, put(bench, offset))
    await bench.fall_due(30)
    await bench.reader.step()
    await bench.work()
    await due(bench, put(bench, 0, 2, Kind.WITHHOLD, Lane.FLASH, story(0)))
    assert delivered(bench)[-1] == (story(0), 2)
    await come_back(bench)
    assert delivered(bench).count((story(0), 2)) == 1


async def test_live_traffic_joins_when_the_reader_has_come_to_the_end(bench: Bench) -> None:
    """The next release is queued as ever."""
    await die(bench)
    await come_back(bench)
    passing = await due(bench, put(bench, 5))
    assert passing is not None
    assert delivered(bench)[-1] == (story(5), 1)


async def test_the_reader_has_little_in_hand_and_is_held_to_its_pace(bench: Bench) -> None:
    """However much was missed."""
    await die(bench)
    for offset in range(5, 300):
        await due(bench, put(bench, offset))
    await bench.fall_due(30)
    await bench.catch_up()
    await bench.fall_due(0.01)
    await bench.reader.step()
    assert len(bench.queues) == IN_HAND
    await bench.work()
    assert not await bench.reader.step()
    await bench.fall_due(1)
    assert await bench.reader.step()


async def test_an_endpoint_that_is_owed_more_than_the_first_pace_catches_up_all_the_same(bench: Bench) -> None:
    """Live traffic at twice the pace that it begins with: half a minute later it has everything."""
    await die(bench)
    for offset in range(5, 30):
        await due(bench, put(bench, offset))
    bench.reader.per_second = 10.0
    await bench.fall_due(30)
    offset = 30
    for _ in range(120):
        for _ in range(10):
            await due(bench, put(bench, offset))
            offset += 1
        await bench.read_tiers()
        await bench.fall_due(0.5)
        await bench.catch_up()
    assert record(bench) is None
    assert len(set(delivered(bench))) == offset


async def test_a_successor_goes_on_from_the_record(bench: Bench) -> None:
    """Nothing is lost, and nothing comes twice that has its row."""
    await die(bench)
    for offset in range(5, 200):
        await due(bench, put(bench, offset))
    await bench.read_tiers()
    await bench.fall_due(30)
    for _ in range(3):
        await bench.catch_up()
        await bench.fall_due(1)
    again = await bench.restarted()
    already = delivered(bench)
    assert 5 < len(already) < 200
    await come_back(again)
    everything = delivered(again)
    assert len(everything) == len(set(everything)) == 200
    assert record(again) is None


async def test_a_successor_reads_the_delivery_log_back_to_when_reading_began(bench: Bench) -> None:
    """While nothing of it can have been answered it need not, however long the endpoint is dead."""
    await die(bench)
    assert owed(bench).answered_since is None
    await bench.fall_due(30)
    began = bench.clock.now()
    await bench.catch_up()
    reading = next(one for one in reversed(bench.log.health()) if b'answered_since":"' in (one.value or b""))
    again = Bench(log=bench.log, registry=bench.registry, clock=bench.clock)
    again.book.apply(reading)
    await again.deliverer.gained(SHARDS)
    assert again.log.asked_back_to[-1] == began


@pytest.mark.parametrize("state", [EndpointState.PAUSED, EndpointState.PENDING])
async def test_what_falls_due_meanwhile_waits_in_the_log(bench: Bench, state: EndpointState) -> None:
    """Paused, or not yet answered its challenge: no record in any tier, and everything once it is back."""
    bench.know(endpoint(DEAD, state=state))
    assert await due(bench, put(bench, 0)) is None
    assert await due(bench, put(bench, 1)) is None
    assert (owed(bench).why, owed(bench).position) == (state.value, {Lane.ROUTINE: 0})
    bench.know(endpoint(DEAD))
    await come_back(bench)
    assert delivered(bench) == [(story(0), 1), (story(1), 1)]


async def test_what_a_pending_endpoint_was_owed_for_more_than_a_day_is_given_up(bench: Bench) -> None:
    """The rest comes."""
    bench.know(endpoint(DEAD, state=EndpointState.PENDING))
    old = put(bench, 0)
    await due(bench, old)
    bench.clock.advance(timedelta(hours=25))
    late = put(bench, 1).model_copy(update={"released_at": bench.clock.now()})
    bench.log.lanes[Lane.ROUTINE, 1] = released(late)
    await due(bench, late)
    bench.know(endpoint(DEAD))
    await come_back(bench)
    assert [(row.story_id, row.data.state) for row in bench.log.rows()] == [
        (story(0), "expired"),
        (story(1), "delivered"),
    ]


async def test_a_burst_stays_in_the_log_behind_what_is_queued(bench: Bench) -> None:
    """A thousand wait in memory, the next ones do not; flashes and notices go past."""
    for offset in range(BURST):
        await bench.deliverer.handle(block_record(put(bench, offset), DEAD, offset=offset))
    late = [put(bench, offset) for offset in range(BURST, BURST + 50)]
    for one in late:
        assert await bench.deliverer.handle(block_record(one, DEAD, offset=one.seq or 0)) is None
    assert bench.queues.waiting(DEAD) == BURST
    assert (owed(bench).why, owed(bench).position) == ("burst", {Lane.ROUTINE: BURST})
    assert not await bench.reader.step()
    flash = put(bench, 0, lane=Lane.FLASH, of=f"{STORY}:flash")
    assert await bench.deliverer.handle(block_record(flash, DEAD, offset=0)) is not None
    await bench.work()
    assert delivered(bench)[0] == (f"{STORY}:flash", 1)
    await come_back(bench)
    assert [found for found in delivered(bench) if found[0] != f"{STORY}:flash"] == [
        (story(offset), 1) for offset in range(BURST + 50)
    ]


async def test_what_a_block_still_owes_after_a_minute_is_owed_from_the_log(bench: Bench) -> None:
    """No offset stays back for one endpoint that takes its time: the other one's delivery was written down at once."""
    one = put(bench, 0)
    passing = await bench.deliverer.handle(block_record(one, DEAD, WELL, offset=0))
    taken = bench.queues.take()
    assert taken is not None
    taken, still = (taken, bench.queues.take()) if taken.endpoint_id == WELL else (bench.queues.take(), taken)
    assert taken is not None
    assert still is not None
    await bench.dispatch.deliver(taken)
    assert passing is not None
    assert not passing.done()
    bench.clock.advance(timedelta(seconds=61))
    await bench.waiting.perform_due()
    assert passing.done()
    assert [each.offset for each in owed(bench).loose[Lane.ROUTINE]] == [0]
    assert await bench.dispatch.deliver(still) is None
    for each in (taken, still):
        bench.queues.finish(each, 0.001, ok=None)
    await come_back(bench)
    assert delivered(bench) == [(story(0), 1)]


async def test_a_dead_endpoint_does_not_stop_its_shard(bench: Bench) -> None:
    """More releases for a dead and a healthy endpoint than may be open: none of them is, and one gets them all."""
    bench.wire.answers = [Unreachable("timeout")] * 5
    open_blocks = 0
    for offset in range(600):
        passing = await due(bench, put(bench, offset), DEAD) if offset < 5 else None
        passing = passing or await due(bench, put(bench, offset), DEAD, WELL)
        open_blocks += passing is not None and not passing.done()
    assert open_blocks == 0
    assert len(delivered(bench, WELL)) >= 595
    assert len(bench.queues) == 0


async def test_an_endpoint_disabled_meanwhile_is_told_what_it_lost(bench: Bench) -> None:
    """Nothing is sent any more; the range stays in its record for whoever enables it again."""
    await die(bench)
    await due(bench, put(bench, 5))
    bench.know(endpoint(DEAD, state=EndpointState.DISABLED))
    await bench.catch_up()
    told = record(bench)
    assert told is not None
    assert told.catch_up is None
    assert [(each.lane, each.start, each.end) for each in told.lost] == [(Lane.ROUTINE, 4, 6)]


async def test_what_the_log_has_lost_is_told_as_a_range(bench: Bench) -> None:
    """Retention took it; the reader goes on where the log begins."""
    await die(bench)
    for offset in range(5, 40):
        await due(bench, put(bench, offset))
    for offset in range(30):
        bench.log.lanes.pop((Lane.ROUTINE, offset))
    await come_back(bench)
    assert [found for found in delivered(bench) if found not in TIERED] == [(story(at), 1) for at in range(30, 40)]
    told = record(bench)
    assert told is not None
    assert [(each.start, each.end) for each in told.lost] == [(0, 30)]


async def test_what_a_paused_endpoint_was_owed_for_three_days_is_given_up_and_told(bench: Bench) -> None:
    """As long as the schedule would have tried it; what is younger comes."""
    bench.know(endpoint(DEAD, state=EndpointState.PAUSED))
    for offset in range(3):
        await due(bench, put(bench, offset))
    bench.clock.advance(timedelta(hours=70))
    late = put(bench, 3).model_copy(update={"released_at": bench.clock.now()})
    bench.log.lanes[Lane.ROUTINE, 3] = released(late)
    await due(bench, late)
    await bench.fall_due(3 * 3_600)
    await bench.catch_up()
    told = record(bench)
    assert told is not None
    assert [(each.start, each.end) for each in told.lost] == [(0, 3)]
    bench.know(endpoint(DEAD))
    await come_back(bench)
    assert delivered(bench) == [(story(3), 1)]


async def test_its_record_says_what_its_owner_was_told_until_it_is_disabled(bench: Bench) -> None:
    """At a quarter, a half and three quarters of 72 hours; then nothing more is sent."""
    await die(bench)
    bench.wire.answers = [Unreachable("timeout")] * 500
    told: list[int] = []
    for _ in range(80):
        await bench.fall_due(3_600)
        await bench.catch_up()
        percent = (found.told if (found := record(bench)) else 0) or 0
        told += [percent] if percent not in told else []
        if bench.log.on(Topic.SUBSCRIPTION_STATE):
            break
    assert told == [0, 25, 50, 75]
    [disabled] = bench.log.on(Topic.SUBSCRIPTION_STATE)
    assert b'"disabled"' in (disabled.value or b"")


async def test_the_time_that_its_owner_has_paused_it_does_not_count(bench: Bench) -> None:
    """Nor does any in which nothing was tried."""
    await die(bench)
    bench.know(endpoint(DEAD, state=EndpointState.PAUSED))
    await bench.fall_due(80 * 3_600)
    await bench.catch_up()
    bench.know(endpoint(DEAD))
    bench.wire.answers = [Unreachable("timeout")]
    await bench.fall_due(3_600)
    await bench.catch_up()
    assert bench.log.on(Topic.SUBSCRIPTION_STATE) == []


async def test_a_broker_that_does_not_answer_costs_nothing_but_time(bench: Bench) -> None:
    """The probe goes when it does."""
    await die(bench)
    await due(bench, put(bench, 5))
    answering, bench.reader.released = bench.reader.released, Silent()
    await bench.fall_due(30)
    assert not await bench.reader.step()
    bench.reader.released = answering
    await come_back(bench)
    assert (story(5), 1) in delivered(bench)


async def test_one_that_is_enabled_again_begins_anew(bench: Bench) -> None:
    """Its past failures do not disable it a second time; what it lost meanwhile is still told."""
    await die(bench)
    bench.know(endpoint(DEAD, state=EndpointState.DISABLED))
    await bench.catch_up()
    await bench.fall_due(80 * 3_600)
    await bench.catch_up()
    bench.know(endpoint(DEAD))
    await due(bench, put(bench, 5))
    assert delivered(bench) == [(story(5), 1)]
    told = record(bench)
    assert told is not None
    assert (told.state, told.failing_since) == ("closed", None)
    assert told.lost != ()


async def test_a_failure_that_is_over_soon_leaves_no_record(bench: Bench) -> None:
    """One 500 between two 200s is nobody's concern; one that lasts is on record until the next success."""
    bench.wire.answers = [Refused(500)]
    await due(bench, put(bench, 0))
    await bench.catch_up()
    assert record(bench) is None
    await bench.fall_due(70)
    await bench.catch_up()
    told = record(bench)
    assert told is not None
    assert told.disables_at is not None
    assert told.failing_since == told.disables_at - timedelta(hours=72)
    await bench.fall_due(1)
    await due(bench, put(bench, 1))
    await bench.fall_due(2)
    await bench.catch_up()
    assert record(bench) is None


async def test_nobody_waits_for_what_the_log_has_lost() -> None:
    """Release 1 of a story was tried and is gone; release 2 comes all the same, in its turn."""
    bench = Bench()
    bench.know(endpoint(DEAD), subscription("s1", DEAD, Ordering.EVERY))
    await bench.deliverer.gained(SHARDS)
    await die(bench)
    await due(bench, put(bench, 5, 2, Kind.UPDATE, of=story(4)))
    bench.log.lanes.pop((Lane.ROUTINE, 4))
    await come_back(bench)
    assert (story(4), 2) in delivered(bench)


async def test_a_success_of_any_kind_brings_it_back(bench: Bench) -> None:
    """Answers that were under way when it was left alone count."""
    await die(bench)
    bench.wire.answers = [Delivered(200)]
    bench.conditions.succeeded(DEAD)
    await bench.catch_up()
    assert delivered(bench) == [(story(4), 1)]
    assert record(bench) is None


async def test_a_release_to_more_endpoints_than_one_block_holds_is_a_position_for_each(bench: Bench) -> None:
    """The second block of a release is as new as the first; the first one once more is not."""
    bench.know(endpoint(DEAD, state=EndpointState.PAUSED), endpoint(WELL, state=EndpointState.PAUSED))
    one = put(bench, 0)
    first = block_record(one, DEAD)
    second = block_record(one, WELL)
    other = (second.value or b"").replace(b'"event_id":"', b'"event_id":"second-')
    await bench.deliverer.handle(first)
    await bench.deliverer.handle(type(second)(second.topic, 0, 1, "k", other, {}, second.timestamp_ms))
    for endpoint_id in (DEAD, WELL):
        told = record(bench, endpoint_id)
        assert told is not None
        assert told.catch_up is not None
        assert told.catch_up.position == {Lane.ROUTINE: 0}
