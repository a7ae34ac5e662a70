"""Who is owed a release, and what is written before anybody is sent anything."""

import asyncio
import json

import pytest

from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.recipients import Recipients
from services.distribution.rounds import NotOurs
from shared.domain.errors import Unprocessable
from shared.domain.events import DeliveryDue, parse_event
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import endpoint, item, record, release_record, released, subscription
from tests.services.distribution.ledger import Bench, Log
from tests.waiting import wait_until


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.know(endpoint("ep_1"), subscription())
    return made


def matcher(bench: Bench, recipients: Recipients | None = None) -> Matcher:
    return Matcher(
        bench.registry,
        recipients or Recipients(),
        bench.standings,
        bench.log,
        bench.log,
        ShardOf(6),
        bench.clock,
    )


def owed(log: Log) -> list[tuple[int, tuple[str, ...]]]:
    """(release_no, endpoints) of every block, in the order written."""
    blocks = [parse_event(one.value) for one in log.on(Topic.DUE, Topic.DUE_FLASH)]
    return [(block.data.item.release_no, block.data.endpoint_ids) for block in blocks if isinstance(block, DeliveryDue)]


def recipients_read(log: Log) -> Recipients:
    """What a restart reads of `story.recipients`."""
    read = Recipients()
    for one in log.on(Topic.RECIPIENTS):
        read.apply(record(Topic.RECIPIENTS, one.value, key=one.key))
    return read


async def passing(bench: Bench, one: Matcher, of: Item, offset: int) -> None:
    """Let a release go through that nobody wants, on the flash lane."""
    bench.log.lanes[Lane.FLASH, offset] = released(of.model_copy(update={"seq": offset}))
    bench.know(subscription(sections=["sport"]))
    await one.handle(release_record(of, offset))
    bench.know(subscription())
    bench.log.appended.clear()


async def test_recipients_are_confirmed_before_the_block(bench: Bench) -> None:
    """A crash between the two must not forget who is owed the kill."""
    await matcher(bench).handle(release_record(item()))
    assert [one.topic for one in bench.log.appended] == [Topic.RECIPIENTS, Topic.DUE]


async def test_a_block_carries_its_place_in_the_public_order(bench: Bench) -> None:
    """`seq` is the release's offset in its lane."""
    await matcher(bench).handle(release_record(item(), offset=41))
    [block] = bench.log.on(Topic.DUE)
    assert block.value is not None
    assert json.loads(block.value)["data"]["item"]["seq"] == 41


async def test_who_got_version_one_gets_the_update_whatever_the_filter_says(bench: Bench) -> None:
    """The filter changed to something else; the update and the kill still arrive."""
    one = matcher(bench)
    await one.handle(release_record(item()))
    bench.know(subscription(sections=["sport"]))
    await one.handle(release_record(item(2, Kind.UPDATE)))
    await one.handle(release_record(item(3, Kind.KILL, Lane.FLASH)))
    assert [block for block in owed(bench.log) if block[1]] == [(1, ("ep_1",)), (2, ("ep_1",)), (3, ("ep_1",))]


async def test_a_kill_goes_to_every_shard(bench: Bench) -> None:
    """Each shard's gate moves, also where nobody is owed anything."""
    await matcher(bench).handle(release_record(item(1, Kind.KILL, Lane.FLASH)))
    shards = {one.partition for one in bench.log.on(Topic.DUE_FLASH)}
    assert shards == set(range(6))


async def test_a_kill_makes_nobody_a_recipient(bench: Bench) -> None:
    """Who never heard of the story does not hear of its end."""
    await matcher(bench).handle(release_record(item(1, Kind.KILL, Lane.FLASH)))
    assert bench.log.on(Topic.RECIPIENTS) == []


async def test_an_overtaken_release_gives_new_matches_the_newest_instead(bench: Bench) -> None:
    """Release 1 comes after flash release 2: who matches it only now gets 2; of 1 it is written down why not."""
    one = matcher(bench)
    await passing(bench, one, item(2, Kind.UPDATE, Lane.FLASH), 17)
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == [(2, ("ep_1",)), (1, ("ep_1",))]
    newest, overtaken = [parse_event(each.value) for each in bench.log.on(Topic.DUE_FLASH, Topic.DUE)]
    assert isinstance(newest, DeliveryDue)
    assert newest.data.item.seq == 17
    assert isinstance(overtaken, DeliveryDue)
    assert overtaken.data.overtaken_by == 2
    assert one.recipients.of(item().story_id) == {"ep_1"}


async def test_who_has_the_newest_is_not_owed_it_again(bench: Bench) -> None:
    """Only those whom the overtaken release brings: a copy for the others could be sent twice."""
    one = matcher(bench)
    await one.handle(release_record(item(2, Kind.UPDATE, Lane.FLASH), offset=17))
    bench.log.lanes[Lane.FLASH, 17] = released(item(2, Kind.UPDATE, Lane.FLASH))
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == [(2, ("ep_1",)), (1, ("ep_1",))]


async def test_an_overtaken_release_of_a_killed_story_gives_nothing(bench: Bench) -> None:
    """Nothing if killed or withheld by then: only the row that says so is owed."""
    one = matcher(bench)
    await passing(bench, one, item(2, Kind.KILL, Lane.FLASH), 17)
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == [(1, ("ep_1",))]


async def test_a_crash_behind_the_recipients_does_not_lose_the_newest_release(bench: Bench) -> None:
    """The overtaken release comes again; who was just recorded is still owed the one that overtook it."""
    first = matcher(bench)
    await passing(bench, first, item(2, Kind.UPDATE, Lane.FLASH), 17)
    bench.log.fail_on = Topic.DUE_FLASH
    with pytest.raises(ConnectionError):
        await first.handle(release_record(item(1)))
    bench.log.fail_on = None
    bench.log.passed_before = [release_record(item(2, Kind.UPDATE, Lane.FLASH), 17)]
    again = matcher(bench, recipients_read(bench.log))
    await again.gained(frozenset({0}))
    await again.handle(release_record(item(1)))
    assert owed(bench.log) == [(2, ("ep_1",)), (1, ("ep_1",))]


async def test_a_state_ahead_of_the_lane_overtakes_nothing(bench: Bench) -> None:
    """Behind a backlog the state already says release 2; both lie in one lane and are owed in order."""
    one = matcher(bench)
    bench.standings.move(item(2, Kind.UPDATE))
    await one.handle(release_record(item(1), offset=0))
    await one.handle(release_record(item(2, Kind.UPDATE), offset=1))
    assert owed(bench.log) == [(1, ("ep_1",)), (2, ("ep_1",))]


async def test_after_a_restart_a_newer_release_that_is_still_to_come_overtakes_nothing(bench: Bench) -> None:
    """The state knows the flash already; nothing of it has passed, so whoever wants every release misses none."""
    one = matcher(bench)
    bench.standings.move(item(2, Kind.UPDATE, Lane.FLASH))
    await one.gained(frozenset({0}))
    await one.handle(release_record(item(1)))
    await one.handle(release_record(item(2, Kind.UPDATE, Lane.FLASH)))
    assert owed(bench.log) == [(1, ("ep_1",)), (2, ("ep_1",))]


async def test_after_a_handover_it_is_known_what_passed_elsewhere(bench: Bench) -> None:
    """Whoever had the lanes before owed the flash to those who matched then: new matches get it from here."""
    one = matcher(bench)
    flash = item(2, Kind.UPDATE, Lane.FLASH)
    bench.log.passed_before = [release_record(flash, 17), record(Topic.RELEASED_FLASH, b"poison", 18)]
    bench.log.lanes[Lane.FLASH, 17] = released(flash)
    await one.gained(frozenset({0}))
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == [(2, ("ep_1",)), (1, ("ep_1",))]


async def test_the_first_write_waits_for_what_the_last_owner_wrote(bench: Bench) -> None:
    """Else it would write a union without those whom the last owner recorded, over his record."""
    recipients = Recipients()
    one = matcher(bench, recipients)

    async def read_to_the_end() -> None:
        recipients.add(item().story_id, {"ep_2"})

    one.caught_up = read_to_the_end
    await one.gained(frozenset({0}))
    await one.handle(release_record(item()))
    assert {each for _, ids in owed(bench.log) for each in ids} == {"ep_1", "ep_2"}


async def test_a_release_is_matched_with_what_was_registered_before_it(bench: Bench) -> None:
    """The 201 came before the filing; the table may be a moment behind it."""
    one = matcher(bench)
    asked: list[tuple[Lane, int]] = []

    async def read_on(lane: Lane, offset: int) -> int:
        asked.append((lane, offset))
        bench.know(endpoint("ep_2"), subscription("s2", "ep_2"))
        return 0

    one.known_before = read_on
    await one.handle(release_record(item(lane=Lane.FLASH), offset=7))
    assert asked == [(Lane.FLASH, 7)]
    assert {each for _, ids in owed(bench.log) for each in ids} == {"ep_1", "ep_2"}


async def test_a_flash_goes_first_though_the_routine_lane_was_read_before_it(bench: Bench) -> None:
    """Its consumer is a moment slower; whoever wants every release would miss it otherwise."""
    one = matcher(bench)
    poison = record(Topic.RELEASED_FLASH, b"poison", 0)
    flash = release_record(item(1, lane=Lane.FLASH), 1)
    bench.log.flashes = {0: poison, 1: flash}

    async def two_flashes(lane: Lane, offset: int) -> int:
        return 2

    one.known_before = two_flashes
    await one.handle(release_record(item(2, Kind.UPDATE)))
    with pytest.raises(Unprocessable):
        await one.handle(poison)
    await one.handle(flash)
    assert owed(bench.log) == [(1, ("ep_1",)), (2, ("ep_1",))]


async def test_a_matcher_that_may_have_a_successor_writes_nothing(bench: Bench) -> None:
    """It was paused for longer than its session, and wakes in the middle of a release."""
    one = matcher(bench)
    one.alive = lambda: False
    with pytest.raises(NotOurs):
        await one.handle(release_record(item()))
    assert bench.log.appended == []


async def test_what_comes_together_is_written_together_recipients_first(bench: Bench) -> None:
    """Two round trips for however many; flashes in a round of their own, before anything routine."""
    one = matcher(bench)
    routine = [release_record(item(story_id=f"urn:r{n}"), n) for n in range(5)]
    flashes = [release_record(item(story_id=f"urn:f{n}", lane=Lane.FLASH), n) for n in range(3)]
    completions = [await one.take(each) for each in (*routine, *flashes)]
    await wait_until(lambda: all(each.done() for each in completions), 5)
    assert [[each.topic for each in call] for call in bench.log.calls] == [
        [Topic.RECIPIENTS] * 3,
        [Topic.DUE_FLASH] * 3,
        [Topic.RECIPIENTS] * 5,
        [Topic.DUE] * 5,
    ]


async def test_releases_of_one_story_that_come_together_know_of_each_other(bench: Bench) -> None:
    """Who comes in with the first is owed the second, and is written down once, with the first."""
    bench.know(endpoint("ep_2"), subscription("s2", "ep_2", urgency_max=1))
    one = matcher(bench)
    updates = [release_record(item(1), 0), release_record(item(2, Kind.UPDATE), 1)]
    for completion in [await one.take(each) for each in updates]:
        await wait_until(completion.done, 5)
    assert owed(bench.log) == [(1, ("ep_1",)), (2, ("ep_1",))]
    assert recipients_read(bench.log).joined(item().story_id) == {1: {"ep_1"}}


async def test_when_the_broker_is_away_nothing_counts_as_done_or_known(bench: Bench) -> None:
    """All that waited fail together, and the tables know of nobody that the log does not."""
    one = matcher(bench)
    bench.log.fail_on = Topic.RECIPIENTS
    completions = [await one.take(release_record(item(story_id=f"urn:{n}"), n)) for n in range(40)]
    await wait_until(lambda: all(each.done() for each in completions), 5)
    assert {type(each.exception()) for each in completions} == {ConnectionError}
    assert one.recipients.of("urn:0") == frozenset()
    assert bench.standings.of("urn:0").newest == 0


async def test_what_waits_when_the_partition_goes_is_left_to_the_next_owner(bench: Bench) -> None:
    """It would write behind somebody who has written since."""
    one = matcher(bench)
    asked = asyncio.Event()

    async def never(lane: Lane, offset: int) -> int:
        asked.set()
        await asyncio.Event().wait()
        return 0

    one.known_before = never
    completions = [await one.take(release_record(item(story_id=f"urn:{n}"), n)) for n in range(20)]
    await asked.wait()
    await one.lost(frozenset({0}))
    assert not any(each.done() for each in completions)
    assert bench.log.appended == []
    one.known_before = bench_knows_all
    await one.handle(release_record(item(story_id="urn:20"), 20))
    assert [release_no for release_no, _ in owed(bench.log)] == [1]


async def test_a_question_that_somebody_else_cancels_ends_the_loop(bench: Bench) -> None:
    """Not the matcher was cancelled: were it to go without a word, nothing would be matched ever after."""
    one = matcher(bench)

    async def cancelled(lane: Lane, offset: int) -> int:
        answer = asyncio.get_running_loop().create_future()
        answer.cancel()
        return int(await answer)

    one.known_before = cancelled
    completion = await one.take(release_record(item()))
    await wait_until(completion.done, 5)
    assert isinstance(completion.exception(), asyncio.CancelledError)


async def bench_knows_all(lane: Lane, offset: int) -> int:
    return 0


async def test_it_is_recorded_from_which_release_on_an_endpoint_is_owed_the_story(bench: Bench) -> None:
    """Who comes in with release 2 is not owed the first; a restart reads the same."""
    one = matcher(bench)
    await one.handle(release_record(item(1)))
    bench.know(endpoint("ep_2"), subscription("s2", "ep_2"))
    await one.handle(release_record(item(2, Kind.UPDATE), offset=1))
    for known in (one.recipients, recipients_read(bench.log)):
        assert known.joined(item().story_id) == {1: {"ep_1"}, 2: {"ep_2"}}


async def test_a_subscription_gets_nothing_from_before_it_began(bench: Bench) -> None:
    """`from` of the 201: everything accepted after it counts, nothing before."""
    late = subscription().model_copy(update={"start": {Lane.ROUTINE: 10}})
    bench.know(late)
    one = matcher(bench)
    await one.handle(release_record(item(), offset=9))
    assert owed(bench.log) == []
    await one.handle(release_record(item(1, story_id="urn:other"), offset=10))
    assert owed(bench.log) == [(1, ("ep_1",))]


async def test_many_subscriptions_of_an_endpoint_make_one_delivery(bench: Bench) -> None:
    """One per endpoint, however many match."""
    bench.know(subscription("s2", sections=["world"]), subscription("s3", sources=["desk"]))
    await matcher(bench).handle(release_record(item()))
    assert owed(bench.log) == [(1, ("ep_1",))]


async def test_a_subscription_that_no_webhook_serves_any_more_makes_no_delivery(bench: Bench) -> None:
    """It was made stream only, its endpoint was deleted, or it was itself; who is left is owed the story."""
    for number in range(2, 6):
        bench.know(endpoint(f"ep_{number}"), subscription(f"s{number}", f"ep_{number}", sections=["world"]))
    bench.know(subscription("s2", None, sections=["world"]))
    bench.delete("ep_3")
    bench.registry.apply(record(Topic.SUBSCRIPTION_STATE, None, key=key_of("s4", "subscription")))
    await matcher(bench).handle(release_record(item()))
    assert {each for _, ids in owed(bench.log) for each in ids} == {"ep_1", "ep_5"}


@pytest.mark.parametrize("value", [b"not json", None, b'{"type": "story.exploded"}'])
async def test_what_is_no_release_is_unprocessable(bench: Bench, value: bytes | None) -> None:
    """Parked by the loop."""
    with pytest.raises(Unprocessable):
        await matcher(bench).handle(record(Topic.RELEASED, value))
