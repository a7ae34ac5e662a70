"""What becomes of a delivery, from the block that owes it to the row that ends it."""

import asyncio
from datetime import timedelta

import pytest

from services.distribution.journal import TIER_OF
from services.distribution.outcome import Delivered, GateShut, Outcome, Refused, Timing, Unreachable
from services.distribution.sending import Answer, Gate, SendRequest
from shared.domain.errors import Unprocessable
from shared.domain.events import encode_event
from shared.domain.state import Stage, StoryState, VersionState
from shared.domain.story import Kind, Lane
from shared.domain.subscription import EndpointState, Ordering
from shared.platform.consuming import Completion
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import (
    NOON,
    STORY,
    block_record,
    endpoint,
    item,
    record,
    released,
    subscription,
)
from tests.services.distribution.ledger import Bench

SHARDS = frozenset({0})


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.know(endpoint("ep_1"), subscription())
    return made


async def test_an_offset_passes_when_its_deliveries_are_written_down(bench: Bench) -> None:
    """Two endpoints, one record: it passes after the second row."""
    bench.know(endpoint("ep_2"))
    passing = await bench.deliverer.handle(block_record(item(), "ep_1", "ep_2"))
    assert isinstance(passing, Completion)
    assert not passing.done()
    await bench.work()
    assert passing.done()
    assert [row.data.state for row in bench.log.rows()] == ["delivered", "delivered"]


async def test_a_delivery_whose_row_cannot_be_written_does_not_pass(bench: Bench) -> None:
    """Better sent twice under one id than forgotten."""
    bench.log.fail_on = Topic.ATTEMPTS
    passing = await bench.deliverer.handle(block_record(item(), "ep_1"))
    with pytest.raises(ConnectionError):
        await bench.work()
    assert passing is not None
    assert not passing.done()


async def test_what_the_log_says_was_done_is_not_done_again(bench: Bench) -> None:
    """After a restart a block read again owes nothing that has its row."""
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    again = Bench(log=bench.log)
    again.log.attempts = bench.log.rows()
    await again.deliverer.gained(frozenset(range(6)))
    assert await again.deliverer.handle(block_record(item(), "ep_1")) is None


async def test_a_block_written_twice_is_sent_once(bench: Bench) -> None:
    """The matcher may repeat itself after a crash, before the first copy was sent."""
    first = await bench.deliverer.handle(block_record(item(), "ep_1", offset=0))
    second = await bench.deliverer.handle(block_record(item(), "ep_1", offset=1))
    await bench.work()
    assert len(bench.wire.sent) == 1
    assert first is not None
    assert first.done()
    assert second is not None
    assert second.done()


async def test_a_failure_is_in_a_tier_before_its_offset_passes(bench: Bench) -> None:
    """Retry record first, then the row, then the offset."""
    bench.wire.answers = [Refused(500)]
    passing = await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    assert [one.topic for one in bench.log.appended] == [Topic.RETRY_10S, Topic.ATTEMPTS]
    assert passing is not None
    assert passing.done()


async def test_a_retry_goes_out_when_due_under_the_same_id(bench: Bench) -> None:
    """The tier holds it; then the same webhook-id with a new timestamp."""
    bench.wire.answers = [Unreachable("connect"), Delivered(204)]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [(_, retry)] = bench.log.retries()
    passing = await bench.deliverer.handle(retry)
    await bench.fall_due(5)
    assert len(bench.wire.sent) == 1
    await bench.fall_due(20)
    ids = [dict(request.headers)["webhook-id"] for request in bench.wire.sent]
    assert ids[0] == ids[1]
    assert passing is not None
    assert passing.done()
    assert [(row.data.n, row.data.state) for row in bench.log.rows()] == [(1, "retrying"), (2, "delivered")]


async def test_a_kill_cancels_the_retry_that_waits(bench: Bench) -> None:
    """Dead stays dead: the retry finds the gate shut and ends as killed."""
    bench.wire.answers = [Refused(503)]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [(_, retry)] = bench.log.retries()
    await bench.deliverer.handle(block_record(item(2, Kind.KILL, Lane.FLASH), "ep_1"))
    await bench.work()
    await bench.deliverer.handle(retry)
    await bench.fall_due(30)
    assert [row.data.state for row in bench.log.rows()] == ["retrying", "delivered", "killed"]
    assert len(bench.wire.sent) == 2


@pytest.mark.parametrize("becomes", [Stage.HELD, Stage.REJECTED])
async def test_a_version_that_is_not_released_stops_no_retry_of_the_one_before(bench: Bench, becomes: Stage) -> None:
    """Version 2 is held, then rejected, while version 1 waits in a tier: only what is released counts."""
    bench.wire.answers = [Refused(503)]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    first, second = [
        VersionState(
            version=number,
            stage=stage,
            kind=Kind.UPDATE,
            content_hash="",
            event_id=str(number),
            source="desk",
            urgency=4,
            lane=Lane.ROUTINE,
        )
        for number, stage in ((1, Stage.RELEASED), (2, becomes))
    ]
    state = StoryState(story_id=STORY, versions={1: first, 2: second}, newest=2, released=1, release_no=1)
    bench.standings.apply(record(Topic.STATE, state.model_dump_json().encode()))
    [(_, retry)] = bench.log.retries()
    await bench.deliverer.handle(retry)
    await bench.fall_due(30)
    assert [row.data.state for row in bench.log.rows()] == ["retrying", "delivered"]


async def test_a_kill_that_comes_while_connecting_shuts_the_gate(bench: Bench) -> None:
    """The gate is asked at the moment of writing to the socket, not only before."""
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    bench.wire.before = lambda: bench.standings.move(item(2, Kind.KILL, Lane.FLASH))
    await bench.work()
    assert bench.wire.sent == []
    assert [row.data.state for row in bench.log.rows()] == ["killed"]


async def test_a_notice_moves_the_gate_of_a_shard_without_recipients(bench: Bench) -> None:
    """An empty kill block still stops what waits here."""
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    assert await bench.deliverer.handle(block_record(item(2, Kind.KILL, Lane.FLASH))) is None
    await bench.work()
    assert bench.wire.sent == []


async def test_latest_sends_the_newest_and_records_the_rest(bench: Bench) -> None:
    """Release 1 is superseded once release 2 is on the wire."""
    await bench.deliverer.handle(block_record(item(1), "ep_1"))
    bench.standings.move(item(2, Kind.UPDATE))
    await bench.deliverer.handle(block_record(item(2, Kind.UPDATE), "ep_1", offset=1))
    await bench.work()
    assert [row.data.state for row in bench.log.rows()] == ["superseded", "delivered"]


async def test_a_flash_does_not_wait_for_an_older_release(bench: Bench) -> None:
    """Hours in a tier must not hold back breaking news; the older one is superseded when it comes."""
    bench.know(subscription(ordering=Ordering.EVERY))
    bench.wire.answers = [Refused(500)]
    await bench.deliverer.handle(block_record(item(1), "ep_1"))
    await bench.work()
    await bench.deliverer.handle(block_record(item(2, Kind.UPDATE, Lane.FLASH), "ep_1"))
    await bench.work()
    [(_, retry)] = bench.log.retries()
    await bench.deliverer.handle(retry)
    await bench.fall_due(30)
    assert [row.data.state for row in bench.log.rows()] == ["retrying", "delivered", "superseded"]


async def test_every_never_sends_what_was_withheld_once_the_story_is_back(bench: Bench) -> None:
    """The endpoint was away all the while and has not even seen the withhold: the old text stays unsent."""
    bench.know(subscription(ordering=Ordering.EVERY))
    bench.wire.answers = [Refused(500), Refused(500)]
    await bench.deliverer.handle(block_record(item(1), "ep_1"))
    await bench.work()
    await bench.deliverer.handle(block_record(item(2, Kind.WITHHOLD, Lane.FLASH), "ep_1"))
    await bench.work()
    bench.standings.move(item(3, Kind.RELEASE))
    (_, old_text), _ = bench.log.retries()
    await bench.deliverer.handle(old_text)
    await bench.fall_due(30)
    assert [(row.release_no, row.data.state) for row in bench.log.rows()[2:]] == [(1, "superseded")]


async def test_every_does_not_wait_for_what_a_withhold_ended(bench: Bench) -> None:
    """The story is back at once, whatever of its past lies in a tier for hours."""
    bench.know(subscription(ordering=Ordering.EVERY))
    bench.wire.answers = [Refused(500)]
    await bench.deliverer.handle(block_record(item(1), "ep_1"))
    await bench.work()
    await bench.deliverer.handle(block_record(item(2, Kind.WITHHOLD, Lane.FLASH), "ep_1"))
    await bench.deliverer.handle(block_record(item(3, Kind.RELEASE), "ep_1"))
    await bench.work()
    assert [row.release_no for row in bench.log.rows() if row.data.state == "delivered"] == [2, 3]


async def test_every_does_not_wait_for_what_a_flash_has_overtaken(bench: Bench) -> None:
    """Release 1 in a tier can never be sent after flash 2; release 3 follows 2 at once."""
    bench.know(subscription(ordering=Ordering.EVERY))
    bench.wire.answers = [Refused(500)]
    await bench.deliverer.handle(block_record(item(1), "ep_1"))
    await bench.work()
    await bench.deliverer.handle(block_record(item(2, Kind.UPDATE, Lane.FLASH), "ep_1"))
    await bench.work()
    await bench.deliverer.handle(block_record(item(3, Kind.UPDATE), "ep_1"))
    await bench.work()
    assert [row.release_no for row in bench.log.rows() if row.data.state == "delivered"] == [2, 3]


async def test_a_gate_that_opens_again_at_once_still_ends_the_old_text(bench: Bench) -> None:
    """Shut while connecting, and the reason is gone when the answer is looked at: an end, not an error of ours."""
    bench.wire.answers = [GateShut()]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    assert [row.data.state for row in bench.log.rows()] == ["superseded"]


async def test_a_pending_endpoint_gets_what_fell_due_once_it_answers(bench: Bench) -> None:
    """Put off without a try, then sent."""
    bench.know(endpoint("ep_1", state=EndpointState.PENDING))
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    assert bench.wire.sent == []
    bench.know(endpoint("ep_1"))
    [(retry, waiting)] = bench.log.retries()
    assert retry.data.attempts == 0
    await bench.deliverer.handle(waiting)
    await bench.fall_due(30)
    assert [row.data.state for row in bench.log.rows()] == ["retrying", "delivered"]


async def test_a_pending_endpoint_is_given_up_after_a_day(bench: Bench) -> None:
    """Nothing waits for ever for somebody who never answered."""
    bench.know(endpoint("ep_1", state=EndpointState.PENDING))
    bench.clock.advance(timedelta(hours=25))
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    assert [row.data.state for row in bench.log.rows()] == ["expired"]


async def test_gone_disables_the_endpoint(bench: Bench) -> None:
    """410 is the receiver's own word for never again."""
    bench.wire.answers = [Refused(410)]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [state] = bench.log.on(Topic.SUBSCRIPTION_STATE)
    assert state.value is not None
    assert b'"disabled"' in state.value
    assert [row.data.state for row in bench.log.rows()] == ["failed"]


async def test_gone_does_not_bring_back_an_endpoint_deleted_meanwhile(bench: Bench) -> None:
    """The answer took seconds; the owner's DELETE in between stands."""
    bench.wire.answers = [Refused(410)]
    bench.wire.before = lambda: bench.delete("ep_1")
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    assert bench.log.on(Topic.SUBSCRIPTION_STATE) == []
    assert [row.data.state for row in bench.log.rows()] == ["failed"]


async def test_gone_keeps_what_the_owner_changed_meanwhile(bench: Bench) -> None:
    """Disabled is the endpoint as it is now, not as it was when the request left."""
    bench.wire.answers = [Refused(410)]
    bench.wire.before = lambda: bench.know(endpoint("ep_1", description="changed"))
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [state] = bench.log.on(Topic.SUBSCRIPTION_STATE)
    assert b'"changed"' in (state.value or b"")


async def test_a_long_wait_hops_from_tier_to_tier(bench: Bench) -> None:
    """Retry-After of 20 minutes: 10 m, 10 m, then the last seconds in memory, never early."""
    bench.wire.answers = [Refused(503, timedelta(minutes=20))]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [(_, first)] = bench.log.retries(Topic.RETRY_10M)
    await bench.deliverer.handle(first)
    await bench.fall_due(600)
    [_, (_, second)] = bench.log.retries(Topic.RETRY_10M)
    assert len(bench.wire.sent) == 1
    moved = record(Topic.RETRY_10M, second.value, 1)
    await bench.deliverer.handle(moved)
    await bench.fall_due(599)
    assert len(bench.wire.sent) == 1
    await bench.fall_due(1)
    assert len(bench.wire.sent) == 2


async def test_what_will_never_be_sent_hops_no_further(bench: Bench) -> None:
    """The gate is asked between two tiers: a killed delivery ends there."""
    bench.wire.answers = [Refused(503, timedelta(minutes=20))]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [(_, waiting)] = bench.log.retries(Topic.RETRY_10M)
    await bench.deliverer.handle(waiting)
    bench.standings.move(item(2, Kind.KILL, Lane.FLASH))
    await bench.fall_due(600)
    assert len(bench.log.retries(Topic.RETRY_10M)) == 1
    assert [row.data.state for row in bench.log.rows()] == ["retrying", "killed"]


async def test_a_hop_leaves_a_row_behind_it(bench: Bench) -> None:
    """A restart reads rows from its oldest record on, which may be the hop: without one nobody knew what is owed."""
    bench.wire.answers = [Refused(503, timedelta(minutes=20))]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [(_, waiting)] = bench.log.retries(Topic.RETRY_10M)
    await bench.deliverer.handle(waiting)
    await bench.fall_due(600)
    assert [one.topic for one in bench.log.appended[2:]] == [Topic.RETRY_10M, Topic.ATTEMPTS]
    hop = bench.log.rows()[-1].data
    assert (hop.state, hop.n) == ("retrying", 1)


async def test_a_day_of_waiting_for_an_endpoint_costs_few_records(bench: Bench) -> None:
    """Asked again after a tenth of the wait so far: ten seconds at first, ten minutes in the end, not 8,640 times."""
    bench.know(endpoint("ep_1", state=EndpointState.PAUSED))
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    put_off = 0
    while bench.log.rows()[-1].data.state == "retrying" and put_off < 1_000:
        put_off += 1
        last = bench.log.on(*TIER_OF)[-1]
        await bench.deliverer.handle(record(last.topic, last.value))
        await bench.fall_due(TIER_OF[last.topic].delay.total_seconds())
    assert 100 < put_off < 300
    assert bench.log.rows()[-1].data.state == "expired"
    assert bench.clock.now() - NOON >= timedelta(hours=24)


@pytest.mark.parametrize(("answer", "rows"), [(Refused(500), []), (Delivered(200), ["delivered"])])
async def test_what_is_answered_after_its_shard_was_lost_is_left_to_the_new_owner(
    bench: Bench, answer: Outcome, rows: list[str]
) -> None:
    """No retry beside the new owner's own, and no offset passes; a row that says "delivered" is true all the same."""
    await bench.deliverer.gained(SHARDS)
    passing = await bench.deliverer.handle(block_record(item(), "ep_1"))
    lost = asyncio.ensure_future(bench.deliverer.lost(SHARDS))

    async def losing(request: SendRequest, gate: Gate) -> Answer:
        assert gate()
        await lost
        return Answer(answer, Timing(total=1.0))

    bench.wire.send = losing  # type: ignore[method-assign, assignment]
    await bench.work()
    assert [row.data.state for row in bench.log.rows()] == rows
    assert bench.log.retries() == []
    assert passing is not None
    assert not passing.done()


async def test_a_sender_that_may_have_a_successor_writes_nothing_until_it_is_certain(bench: Bench) -> None:
    """Paused while it connected: the gate is shut; once its group confirms it, it goes out, once."""
    await bench.deliverer.gained(SHARDS)
    await bench.deliverer.handle(block_record(item(), "ep_1"))

    def paused() -> None:
        bench.alive = False
        asyncio.get_running_loop().call_later(0.01, setattr, bench, "alive", True)
        bench.wire.before = lambda: None

    bench.wire.before = paused
    await bench.work()
    assert [row.data.state for row in bench.log.rows()] == ["delivered"]
    assert len(bench.wire.sent) == 1


async def test_a_sender_that_has_a_successor_sends_nothing_more(bench: Bench) -> None:
    """It wakes up with a connection ready, hears that its shard is gone, and leaves the delivery alone."""
    await bench.deliverer.gained(SHARDS)
    passing = await bench.deliverer.handle(block_record(item(), "ep_1"))

    def paused() -> None:
        bench.alive = False
        bench.tenure.lost(SHARDS)

    bench.wire.before = paused
    await bench.work()
    assert bench.wire.sent == []
    assert bench.log.appended == []
    assert passing is not None
    assert not passing.done()


@pytest.mark.parametrize("value", [b"\xff", b"[]", None, encode_event(released(item()))])
async def test_what_is_no_delivery_is_unprocessable(bench: Bench, value: bytes | None) -> None:
    """Parked with its bytes by the loop, never a crash."""
    with pytest.raises(Unprocessable):
        await bench.deliverer.handle(record(Topic.DUE, value))
