"""At an endpoint that wants every release: in order per story, whoever dies, and held back no longer than need be."""

import json
from datetime import timedelta

import pytest

from services.distribution.outcome import Delivered, Refused
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.domain.subscription import EndpointState, Ordering
from shared.platform.consuming import Completion
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import NOON, STORY, block_record, endpoint, item, released, subscription
from tests.services.distribution.ledger import Bench

LANE_START = 40


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.know(endpoint("ep_1"), subscription(ordering=Ordering.EVERY))
    return made


def placed(release_no: int, kind: Kind = Kind.UPDATE, lane: Lane = Lane.ROUTINE) -> Item:
    """A release as the matcher hands it on: it knows its place in its lane."""
    return item(release_no, kind, lane).model_copy(update={"seq": LANE_START + release_no})


async def owed(bench: Bench, *items: Item) -> list[Completion | None]:
    """Let blocks come for the endpoint, each release on its lane, and send what may be sent."""
    passing = []
    for one in items:
        assert one.seq is not None
        bench.log.lanes[one.lane, one.seq] = released(one)
        bench.recipients.add(one.story_id, ["ep_1"])
        passing.append(await bench.deliverer.handle(block_record(one, "ep_1", offset=one.release_no)))
        await bench.work()
    return passing


async def blocked(bench: Bench) -> None:
    """Release 1 failed and waits in a tier; 2 and 3 wait for it."""
    bench.wire.answers = [Refused(500)]
    await owed(bench, placed(1, Kind.PUBLISH), placed(2), placed(3))


async def retried(bench: Bench, number: int = -1) -> None:
    """Let the tier's record of a failed try (the last one) be read and fall due."""
    await bench.deliverer.handle(bench.log.retries()[number][1])
    await bench.fall_due(30)


def delivered(bench: Bench) -> list[int | None]:
    return [row.release_no for row in bench.log.rows() if row.data.state == "delivered"]


def ends(bench: Bench) -> dict[int | None, str]:
    return {row.release_no: row.data.state for row in bench.log.rows()}


async def test_a_blocked_story_is_written_down_before_its_release_goes_to_a_tier(bench: Bench) -> None:
    """A successor that finds the tier's record finds the block, too."""
    bench.wire.answers = [Refused(500)]
    await owed(bench, placed(1, Kind.PUBLISH))
    topics = [one.topic for one in bench.log.appended]
    assert topics == [Topic.ENDPOINT_HEALTH, Topic.RETRY_10S, Topic.ATTEMPTS]


async def test_who_waits_lets_its_own_record_pass(bench: Bench) -> None:
    """No retry record and no offset is held for it: its place in the lane is known."""
    bench.wire.answers = [Refused(500)]
    passing = await owed(bench, placed(1, Kind.PUBLISH), placed(2), placed(3))
    assert all(one is not None and one.done() for one in passing)
    assert len(bench.log.retries()) == 1
    assert len(bench.wire.sent) == 1
    [_, second, third] = [row.data for row in bench.log.rows()]
    assert (second.state, second.outcome, second.n) == ("retrying", "waits for release 1", 0)
    assert (third.state, third.outcome, third.n) == ("retrying", "waits for release 1", 0)


async def test_whoever_waited_goes_on_at_once_in_order(bench: Bench) -> None:
    """The answer to 1 lets 2 go, its answer lets 3 go; nothing is left behind."""
    await blocked(bench)
    await retried(bench)
    assert delivered(bench) == [1, 2, 3]
    assert bench.log.on(Topic.ENDPOINT_HEALTH)[-1].value is None


async def test_whoever_waited_goes_on_when_the_first_is_given_up(bench: Bench) -> None:
    """72 hours without success end release 1, not the story."""
    await blocked(bench)
    bench.wire.answers = [Refused(500)] * 40
    for _ in range(200):
        topic, *_ = [one.topic for one in reversed(bench.log.appended) if "retry" in one.topic]
        if ends(bench)[1] == "expired":
            break
        await bench.deliverer.handle(bench.log.retries(topic)[-1][1])
        await bench.fall_due(3_700 * 6)
        await bench.catch_up()
    assert ends(bench)[1] == "expired"
    assert "waits for release 1" not in [row.data.outcome for row in bench.log.rows()[-2:]]


async def test_one_that_fails_when_its_turn_has_come_is_in_a_tier_before_it_is_fetched_no_more(bench: Bench) -> None:
    """It has no record of its own any more: a death between the two must leave one of them."""
    await blocked(bench)
    bench.wire.answers = [Delivered(200), Refused(500)]
    before = len(bench.log.appended)
    await retried(bench)
    after = [one.topic for one in bench.log.appended[before:]]
    assert after[-3:] == [Topic.RETRY_10S, Topic.ENDPOINT_HEALTH, Topic.ATTEMPTS]
    await retried(bench)
    assert delivered(bench) == [1, 2, 3]


async def test_a_restart_finds_the_story_blocked(bench: Bench) -> None:
    """What comes now still waits for release 1, though no row was read that says so."""
    await blocked(bench)
    again = await bench.restarted()
    again.log.attempts = []
    await owed(again, placed(4))
    assert len(again.wire.sent) == 0
    await retried(again)
    assert delivered(again) == [1, 2, 3, 4]


async def test_two_restarts_find_the_story_blocked(bench: Bench) -> None:
    """The second successor reads what the first one wrote."""
    await blocked(bench)
    again = await bench.restarted()
    await owed(again, placed(4))
    third = await again.restarted()
    await owed(third, placed(5))
    await retried(third)
    assert delivered(third) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("row_was_written", [True, False])
async def test_a_death_between_the_answer_and_the_next_release_loses_nobody(
    bench: Bench, row_was_written: bool
) -> None:
    """Release 1 has its row or not; either way 2 and 3 follow, and what has its row is not sent again."""
    await blocked(bench)
    bench.log.fail_on = Topic.ENDPOINT_HEALTH if row_was_written else Topic.ATTEMPTS
    retry = bench.log.retries()[-1][1]
    await bench.deliverer.handle(retry)
    with pytest.raises(ConnectionError):
        await bench.fall_due(30)
    bench.log.fail_on = None
    again = await bench.restarted()
    await again.deliverer.handle(retry)
    await again.fall_due(30)
    assert delivered(again) == [1, 2, 3]
    assert len(again.wire.sent) == (2 if row_was_written else 3)


async def test_a_death_after_a_waiting_release_was_answered_does_not_send_it_again(bench: Bench) -> None:
    """Its row is there, its place still says that it waits: the rows since then are read."""
    await blocked(bench)
    await retried(bench)
    second_in_flight = next(one for one in bench.log.health() if b'"release_no":1,' not in (one.value or b""))
    again = Bench(log=bench.log, registry=bench.registry, standings=bench.standings, clock=bench.clock)
    again.log.attempts = [row for row in bench.log.rows() if row.release_no == 2]
    again.held.apply(second_in_flight)
    await again.deliverer.gained(frozenset({0}))
    assert again.log.asked_back_to == [NOON]
    await again.fall_due(0)
    sent = [json.loads(request.body)["data"]["release_no"] for request in again.wire.sent]
    assert sent == [3]


async def test_a_kill_ends_the_block_at_once(bench: Bench) -> None:
    """It never waits, and nobody waits for the tier to learn that the story is dead."""
    await blocked(bench)
    await owed(bench, placed(4, Kind.KILL, Lane.FLASH))
    await bench.fall_due(0)
    assert ends(bench) == {1: "retrying", 2: "killed", 3: "killed", 4: "delivered"}
    await retried(bench)
    assert ends(bench)[1] == "killed"
    assert bench.log.on(Topic.ENDPOINT_HEALTH)[-1].value is None


async def test_a_kill_while_nobody_was_there_ends_the_block_at_the_start(bench: Bench) -> None:
    """The tables say so before anything is read."""
    await blocked(bench)
    bench.standings.move(item(4, Kind.KILL, Lane.FLASH))
    again = await bench.restarted()
    await again.fall_due(0)
    assert ends(again) == {1: "retrying", 2: "killed", 3: "killed"}
    assert again.wire.sent == []


async def test_a_withhold_ends_the_block_at_once(bench: Bench) -> None:
    """What is older than it is never sent again; the release that lifts it waits for none of it."""
    await blocked(bench)
    await owed(bench, placed(4, Kind.WITHHOLD, Lane.FLASH))
    await bench.fall_due(0)
    assert ends(bench) == {1: "retrying", 2: "superseded", 3: "superseded", 4: "delivered"}
    await owed(bench, placed(5, Kind.RELEASE))
    assert delivered(bench) == [4, 5]


async def test_a_flash_that_was_answered_is_remembered_while_an_older_one_waits_in_a_tier(bench: Bench) -> None:
    """Days later, after a restart that read none of its rows, release 1 still does not go out behind it."""
    bench.wire.answers = [Refused(500)]
    await owed(bench, placed(1, Kind.PUBLISH), placed(2, Kind.UPDATE, Lane.FLASH))
    again = await bench.restarted()
    again.tried.forget(frozenset({0}), again.shard_of)
    await retried(again)
    assert ends(again) == {1: "superseded", 2: "delivered"}


async def test_one_that_was_overtaken_before_it_was_matched_is_written_down_as_that(bench: Bench) -> None:
    """The matcher says so in its block: no memory of what the endpoint got is needed."""
    event = block_record(placed(1, Kind.PUBLISH), "ep_1")
    value = (event.value or b"").replace(b'"overtaken_by":0', b'"overtaken_by":2')
    await bench.deliverer.handle(type(event)(event.topic, 0, 0, "k", value, {}, event.timestamp_ms))
    await bench.work()
    assert ends(bench) == {1: "superseded"}


async def test_a_paused_endpoint_gets_every_release_in_order_once_it_is_back(bench: Bench) -> None:
    """Neither costs a record or a row meanwhile; the reader goes through the log in its order."""
    bench.know(endpoint("ep_1", state=EndpointState.PAUSED))
    assert await owed(bench, placed(1, Kind.PUBLISH), placed(2)) == [None, None]
    bench.know(endpoint("ep_1"))
    await bench.catch_up()
    assert delivered(bench) == [1, 2]
    assert bench.log.retries() == []


async def test_a_release_the_log_has_lost_is_given_up_and_lets_the_next_one_go(bench: Bench) -> None:
    """Never stuck: its row says why."""
    await blocked(bench)
    bench.log.lanes.pop((Lane.ROUTINE, LANE_START + 2))
    await retried(bench)
    assert ends(bench) == {1: "delivered", 2: "expired", 3: "delivered"}


async def test_another_story_does_not_wait(bench: Bench) -> None:
    """Order is per story."""
    await blocked(bench)
    other = placed(1, Kind.PUBLISH).model_copy(update={"story_id": f"{STORY}:other"})
    await owed(bench, other)
    assert delivered(bench) == [1]


async def test_after_a_hand_over_the_flashes_that_waited_go_before_the_rest(bench: Bench) -> None:
    """Two consumers bring the lanes; release 1 rode flash and would be lost behind release 2."""
    bench.log.flash_waits = {0: 1}
    await bench.deliverer.gained(frozenset({0}))
    await owed(bench, placed(2))
    assert bench.wire.sent == []
    await bench.deliverer.handle(block_record(placed(1, Kind.PUBLISH, Lane.FLASH), "ep_1", offset=0))
    await bench.work()
    assert delivered(bench) == [1, 2]


async def test_flashes_that_were_finished_before_the_hand_over_hold_nobody_back_for_long(bench: Bench) -> None:
    """They are not read again."""
    bench.log.flash_waits = {0: 1}
    await bench.deliverer.gained(frozenset({0}))
    await owed(bench, placed(2))
    await bench.fall_due(2)
    assert delivered(bench) == [2]


async def test_nobody_waits_for_a_retry_that_no_topic_holds_any_more(bench: Bench) -> None:
    """Its owner was away for longer than the tiers keep their records."""
    await blocked(bench)
    bench.clock.advance(timedelta(days=8))
    again = await bench.restarted()
    await again.fall_due(0)
    assert delivered(again) == [2, 3]
