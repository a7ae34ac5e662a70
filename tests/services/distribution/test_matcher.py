"""Who is owed a release, and what is written before anybody is sent anything."""

import json
from datetime import timedelta

import pytest

from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.recipients import Recipients
from shared.domain.errors import Unprocessable
from shared.domain.events import DeliveryDue, parse_event
from shared.domain.facts import Facts
from shared.domain.story import Kind, Lane
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import NOON, endpoint, item, record, release_record, released, subscription
from tests.services.distribution.ledger import Bench, Log


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
        timedelta(),
    )


def owed(log: Log) -> list[tuple[int, tuple[str, ...]]]:
    """(release_no, endpoints) of every block, in the order written."""
    blocks = [parse_event(one.value) for one in log.on(Topic.DUE, Topic.DUE_FLASH)]
    return [(block.data.item.release_no, block.data.endpoint_ids) for block in blocks if isinstance(block, DeliveryDue)]


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
    """Release 1 comes after flash release 2: who matches it only now gets 2, and is remembered."""
    bench.know(subscription(sections=["world"]))
    one = matcher(bench)
    bench.standings.move(item(2, Kind.UPDATE, Lane.FLASH))
    bench.log.newest_release = released(item(2, Kind.UPDATE, Lane.FLASH))
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == [(2, ("ep_1",))]
    assert one.recipients.of(item().story_id) == {"ep_1"}


async def test_an_overtaken_release_of_a_killed_story_gives_nothing(bench: Bench) -> None:
    """Nothing if killed or withheld by then."""
    one = matcher(bench)
    bench.standings.move(item(2, Kind.KILL, Lane.FLASH))
    bench.log.newest_release = released(item(2, Kind.KILL, Lane.FLASH))
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == []


async def test_a_crash_behind_the_recipients_does_not_lose_the_newest_release(bench: Bench) -> None:
    """The overtaken release comes again; who was just recorded is still owed the one that overtook it."""
    recipients = Recipients()
    recipients.add(item().story_id, {"ep_1"})
    bench.standings.move(item(2, Kind.UPDATE, Lane.FLASH))
    bench.log.newest_release = released(item(2, Kind.UPDATE, Lane.FLASH))
    await matcher(bench, recipients).handle(release_record(item(1)))
    assert (2, ("ep_1",)) in owed(bench.log)


async def test_a_state_ahead_of_the_lane_overtakes_nothing(bench: Bench) -> None:
    """Behind a backlog the state already says release 2; both lie in one lane and are owed in order."""
    one = matcher(bench)
    bench.standings.move(item(2, Kind.UPDATE))
    bench.log.newest_release = released(item(2, Kind.UPDATE))
    await one.handle(release_record(item(1), offset=0))
    await one.handle(release_record(item(2, Kind.UPDATE), offset=1))
    assert owed(bench.log) == [(1, ("ep_1",)), (2, ("ep_1",))]


async def test_a_newer_release_that_is_still_to_come_overtakes_nothing(bench: Bench) -> None:
    """Both are released before the flash is read; the other lane brings the newer one in its turn."""
    one = matcher(bench)
    update = item(2, Kind.UPDATE).model_copy(update={"released_at": NOON + timedelta(seconds=1)})
    bench.standings.move(update)
    bench.log.newest_release = released(update)
    await one.handle(release_record(item(1, lane=Lane.FLASH)))
    await one.handle(release_record(update))
    assert owed(bench.log) == [(1, ("ep_1",)), (2, ("ep_1",))]


async def test_after_a_handover_a_newer_release_may_have_passed_elsewhere(bench: Bench) -> None:
    """Whoever had the lane before may have owed it to those who matched then: new matches get it from here."""
    one = matcher(bench)
    bench.clock.advance(timedelta(seconds=5))
    await one.gained(frozenset({0}))
    flash = item(2, Kind.UPDATE, Lane.FLASH).model_copy(update={"released_at": NOON + timedelta(seconds=1)})
    bench.standings.move(flash)
    bench.log.newest_release = released(flash)
    await one.handle(release_record(item(1)))
    assert owed(bench.log) == [(2, ("ep_1",))]


async def test_a_release_that_passed_here_is_waited_for_where_the_newest_are_kept(bench: Bench) -> None:
    """The table of newest releases may be a moment behind the flash lane; the block says the flash's place."""
    bench.know(subscription(sections=["world"]))
    one = matcher(bench)
    sport = Facts(sections=("sport",))
    await one.handle(release_record(item(2, Kind.UPDATE, Lane.FLASH), offset=17, facts=sport))
    bench.log.newest_release = released(item(2, Kind.UPDATE, Lane.FLASH))
    await one.handle(release_record(item(1)))
    assert bench.log.waited_for == [2]
    [block] = bench.log.on(Topic.DUE_FLASH)
    assert json.loads(block.value or b"")["data"]["item"]["seq"] == 17


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


@pytest.mark.parametrize("value", [b"not json", None, b'{"type": "story.exploded"}'])
async def test_what_is_no_release_is_unprocessable(bench: Bench, value: bytes | None) -> None:
    """Parked by the loop."""
    with pytest.raises(Unprocessable):
        await matcher(bench).handle(record(Topic.RELEASED, value))
