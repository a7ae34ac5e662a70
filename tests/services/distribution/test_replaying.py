"""An endpoint gets again what it was owed since some time: slowly, through the gate, and over any restart."""

from datetime import timedelta

import pytest

from services.distribution.outcome import Refused, Unreachable
from services.distribution.replaying import ENABLED_WITHIN, IN_HAND, TRIES
from shared.domain.events import encode_event
from shared.domain.item import Item
from shared.domain.replays import REPLAY, Replay, ReplayState
from shared.domain.story import Kind, Lane
from shared.domain.subscription import EndpointState, Ordering
from shared.platform.topics import Topic, key_of
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
ONE_S = timedelta(seconds=1)


def story(number: int) -> str:
    return f"{STORY}:{number}"


def put(bench: Bench, offset: int, lane: Lane = Lane.ROUTINE, release_no: int = 1, kind: Kind = Kind.PUBLISH) -> Item:
    """Put a release on its lane, a second behind the one before it."""
    made = item(release_no, kind, lane, story(offset)).model_copy(
        update={"seq": offset, "released_at": NOON + offset * ONE_S}
    )
    bench.log.lanes[lane, offset] = released(made)
    bench.recipients.add(made.story_id, ["ep_1"])
    return made


@pytest.fixture
async def bench() -> Bench:
    """An endpoint that has got a hundred releases."""
    made = Bench()
    made.know(endpoint("ep_1"), subscription())
    await made.deliverer.gained(SHARDS)
    for offset in range(100):
        await made.deliverer.handle(block_record(put(made, offset), "ep_1", offset=offset))
        await made.work()
    made.wire.sent.clear()
    made.clock.advance(timedelta(minutes=10))
    return made


def ask(bench: Bench, state: ReplayState = "requested", **fields: object) -> None:
    """Put a request, or a cancellation, where the gateway does."""
    given = {"since": NOON, "asked_by": "ann", "asked_at": NOON, "updated_at": NOON, **fields}
    asked = Replay.model_validate(
        {"replay_id": "rpl_1", "endpoint_id": "ep_1", "subscriber": "sub_1", "state": state, **given}
    )
    bench.replays.apply(
        record(Topic.ENDPOINT_HEALTH, asked.model_dump_json().encode(), key=key_of("ep_1", REPLAY, "rpl_1"))
    )


def told(bench: Bench) -> Replay:
    """What the record says by now."""
    values = [one.value for one in bench.log.on(Topic.ENDPOINT_HEALTH) if one.key == key_of("ep_1", REPLAY, "rpl_1")]
    return Replay.model_validate_json(values[-1] or b"")


async def play(bench: Bench, seconds: int = 60) -> None:
    for _ in range(seconds * 2):
        while await bench.replayer.step():
            await bench.work()
        await bench.fall_due(0.5)


def sent(bench: Bench) -> list[str]:
    return [dict(request.headers)["webhook-id"] for request in bench.wire.sent]


async def test_what_was_delivered_is_sent_again_under_the_same_id(bench: Bench) -> None:
    """All of it, in the order of the log, and the record says so."""
    before = [row.data.delivery_id for row in bench.log.rows()]
    ask(bench)
    await play(bench)
    assert sent(bench) == before
    assert (told(bench).state, told(bench).sent, told(bench).skipped) == ("done", 100, 0)
    assert told(bench).position == told(bench).end


async def test_each_time_is_a_try_of_its_own(bench: Bench) -> None:
    """The delivery log counts on."""
    ask(bench)
    await play(bench)
    assert [row.data.n for row in bench.log.rows() if row.story_id == story(7)] == [1, 2]


async def test_it_begins_at_the_time_that_was_asked_for(bench: Bench) -> None:
    """Nothing older is sent."""
    ask(bench, since=NOON + 90 * ONE_S)
    await play(bench)
    assert len(sent(bench)) == 10


async def test_it_begins_at_the_place_that_was_asked_for(bench: Bench) -> None:
    """A cursor names one in each lane."""
    ask(bench, since=None, start={"flash": 0, "routine": 97})
    await play(bench)
    assert len(sent(bench)) == 3


async def test_what_is_released_meanwhile_is_not_part_of_it(bench: Bench) -> None:
    """Its end is fixed when it begins."""
    ask(bench)
    await bench.replayer.step()
    await bench.deliverer.handle(block_record(put(bench, 100), "ep_1", offset=100))
    await play(bench)
    assert told(bench).end == {Lane.FLASH: 0, Lane.ROUTINE: 100}
    assert len(sent(bench)) == 101


async def test_what_was_killed_is_not_sent_again(bench: Bench) -> None:
    """The gate is in force; what the log says of it stays as it is."""
    rows = len(bench.log.rows())
    bench.standings.move(item(2, Kind.KILL, Lane.FLASH, story(5)))
    ask(bench, since=None, start={"routine": 5}, end={"flash": 0, "routine": 6})
    await play(bench)
    assert sent(bench) == []
    assert len(bench.log.rows()) == rows
    assert told(bench).skipped == 1


async def test_it_has_little_in_hand_and_a_pace(bench: Bench) -> None:
    """However long it is."""
    ask(bench)
    await bench.replayer.step()
    assert len(bench.queues) == IN_HAND
    await bench.work()
    assert not await bench.replayer.step()


async def test_a_successor_goes_on_with_it(bench: Bench) -> None:
    """From the record: what was answered behind that comes once more, what lies before it does not."""
    ask(bench)
    await play(bench, 6)
    place = told(bench).position[Lane.ROUTINE]
    again = await bench.restarted()
    again.wire.sent.clear()
    await play(again)
    assert 0 < place < 100 or told(again).sent == 100
    assert told(again).state == "done"
    assert len(sent(bench)) + len(sent(again)) >= 100


async def test_one_that_is_cancelled_ends_with_its_count(bench: Bench) -> None:
    """What is in hand is answered still; nothing follows."""
    ask(bench)
    await bench.replayer.step()
    await bench.work()
    ask(bench, "cancelled")
    await play(bench, 2)
    assert len(sent(bench)) == IN_HAND
    assert (told(bench).state, told(bench).sent) == ("cancelled", IN_HAND)


async def test_a_record_from_before_its_end_does_not_bring_it_back(bench: Bench) -> None:
    """The table hears late what was written early."""
    ask(bench)
    await play(bench)
    ask(bench, "running")
    await play(bench, 2)
    assert len(sent(bench)) == 100


async def test_a_dead_endpoint_makes_it_wait(bench: Bench) -> None:
    """It goes on when the endpoint is back and has what it missed; nothing is skipped for it."""
    bench.wire.answers = [Unreachable("timeout")] * 7
    ask(bench)
    await play(bench, 120)
    assert (told(bench).state, told(bench).sent, told(bench).skipped) == ("done", 100, 0)


async def test_one_that_is_refused_every_time_is_passed_over(bench: Bench) -> None:
    """A few tries, then the next one; what the log says last of it is the truth."""
    bench.wire.answers = [Refused(400)] * TRIES
    ask(bench, since=None, start={"routine": 99})
    await play(bench, 80)
    assert (told(bench).state, told(bench).skipped) == ("done", 1)
    assert [row.data.state for row in bench.log.rows() if row.story_id == story(99)][-1] == "expired"
    assert bench.log.retries() == []


async def test_what_waits_for_a_retry_is_left_to_that(bench: Bench) -> None:
    """Its tier brings it; to send it beside would count its try."""
    bench.wire.answers = [Refused(500)]
    await bench.deliverer.handle(block_record(put(bench, 100), "ep_1", offset=100))
    await bench.work()
    bench.wire.sent.clear()
    ask(bench, since=None, start={"routine": 100})
    await play(bench, 2)
    assert sent(bench) == []
    assert told(bench).skipped == 1


async def test_a_disabled_endpoint_ends_it(bench: Bench) -> None:
    """With the reason; but not at once: the record that enables it lies in another topic than the request."""
    bench.know(endpoint("ep_1", state=EndpointState.DISABLED))
    ask(bench, asked_at=bench.clock.now())
    await bench.replayer.step()
    assert told(bench).goes_on
    bench.clock.advance(ENABLED_WITHIN)
    await bench.replayer.step()
    assert (told(bench).state, told(bench).reason) == ("failed", "the endpoint is disabled")


async def test_a_replay_that_is_read_before_its_endpoint_is_enabled_is_done(bench: Bench) -> None:
    """`enable` with `replay_since` writes both, and a reader may come to the second first."""
    bench.know(endpoint("ep_1", state=EndpointState.DISABLED))
    ask(bench, asked_at=bench.clock.now())
    await bench.replayer.step()
    bench.know(endpoint("ep_1"))
    await play(bench, 5)
    assert told(bench).state == "done"


async def test_what_cannot_be_read_is_passed_over(bench: Bench) -> None:
    """No release, or none that the endpoint was ever owed."""
    stranger = item(1, story_id="urn:not:owed").model_copy(update={"seq": 100})
    bench.log.lanes[Lane.ROUTINE, 100] = released(stranger)
    assert encode_event(bench.log.lanes[Lane.ROUTINE, 100])
    ask(bench, since=None, start={"routine": 99})
    await play(bench, 5)
    assert told(bench).sent == 1


async def test_an_older_release_is_not_sent_behind_a_newer_one_that_the_endpoint_had_long_ago() -> None:
    """To an endpoint that wants every release, too: the delivery log knows, whatever its owner has forgotten."""
    bench = Bench()
    bench.know(endpoint("ep_1"), subscription(ordering=Ordering.EVERY))
    await bench.deliverer.gained(SHARDS)
    for number in (1, 2, 3):
        made = item(number, Kind.UPDATE, story_id=STORY).model_copy(update={"seq": number})
        bench.log.lanes[Lane.ROUTINE, number] = released(made)
        bench.recipients.add(STORY, ["ep_1"])
        await bench.deliverer.handle(block_record(made, "ep_1", offset=number))
        await bench.work()
    before = sent(bench)
    bench.wire.sent.clear()
    bench.tried.forget(SHARDS, bench.shard_of)
    ask(bench)
    await play(bench)
    assert sent(bench) == before[-1:]
    assert (told(bench).sent, told(bench).skipped) == (1, 2)
