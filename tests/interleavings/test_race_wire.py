"""Kills and updates race through the lanes of real processes on a real broker: everything ends dead, everywhere."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import httpx2
import pytest

from shared.domain.events import DeskDecided, StoryEnriched, encode_event
from shared.domain.story import Kind, lane_of
from shared.domain.subscription import Ordering
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic
from tests.domain.stories import deciding, enriched, ninjs
from tests.interleavings.laden import STREAM, Laden, laden_wire
from tests.waiting import wait_until

RACES, AT_ONCE = 300, 50
FLASH, ROUTINE = 1, 4
ENDPOINTS = {"ep_latest": Ordering.LATEST, "ep_every": Ordering.EVERY}
SERVICES = ("moderation", "distribution", "gateway")
WITHIN = 90.0
SEED = 4

Came = dict[tuple[str, str], list[tuple[int, Kind]]]


def filing(story_id: str, text: str, urgency: int) -> Outgoing:
    data = enriched(story=ninjs(uri=story_id, body=text), urgency=urgency)
    event = StoryEnriched(
        event_id=f"{story_id} {text}",
        story_id=story_id,
        version=1,
        occurred_at=datetime.now(UTC),
        producer="enrich",
        data=data,
    )
    lane = Topic.INBOX_FLASH if lane_of(urgency) == "flash" else Topic.INBOX
    return Outgoing(lane, story_id, encode_event(event))


def kill(story_id: str) -> Outgoing:
    decision = deciding(f"{story_id} kill", "kill", break_glass=True, reason="it is wrong").decision
    event = DeskDecided(
        event_id=decision.decision_id,
        story_id=story_id,
        occurred_at=datetime.now(UTC),
        producer="gateway",
        data=decision,
    )
    return Outgoing(Topic.INBOX_FLASH, story_id, encode_event(event))


async def race(wire: Laden, stories: Sequence[str], chance: Random) -> None:
    """File, then let an update and a kill of each story go, the one or the other first, or both at once."""
    before = await releases(wire)
    await wire.publisher.publish_all([filing(one, "one", chance.choice((FLASH, ROUTINE))) for one in stories])
    known = chance.randrange(len(stories) + 1)
    await wait_until(lambda: released(wire, before + known), WITHIN)
    updates = [filing(one, "two", chance.choice((FLASH, ROUTINE, ROUTINE))) for one in stories]
    kills = [kill(one) for one in stories]
    match chance.randrange(3):
        case 0:
            await wire.publisher.publish_all(updates)
            await wait_until(lambda: released(wire, before + len(stories) + known), WITHIN)
            await wire.publisher.publish_all(kills)
        case 1:
            both = [*updates, *kills]
            chance.shuffle(both)
            await wire.publisher.publish_all(both)
        case _:
            await wire.publisher.publish_all([*kills, *updates])


async def releases(wire: Laden) -> int:
    return await wire.appended(Topic.RELEASED) + await wire.appended(Topic.RELEASED_FLASH)


async def released(wire: Laden, count: int) -> bool:
    return await releases(wire) >= count


async def everything_came(wire: Laden) -> Came:
    """Put one last story on each lane and wait until it came everywhere; return what came, by channel and story."""
    last = {"urn:last:flash": FLASH, "urn:last:routine": ROUTINE}
    await wire.publisher.publish_all([filing(one, "last", urgency) for one, urgency in last.items()])
    channels = (*ENDPOINTS, STREAM)
    await wait_until(lambda: all((to, one) in came(wire) for to in channels for one in last), WITHIN, every=0.2)
    for one in last:
        await wire.until_viewed(one)
    return came(wire)


def came(wire: Laden) -> Came:
    found: Came = defaultdict(list)
    for channel, body in wire.came or ():
        item = json.loads(body)
        item = item.get("data", item)
        found[channel, item["story_id"]].append((item["release_no"], Kind(item["kind"])))
    return found


async def gone(wire: Laden, stories: Sequence[str]) -> bool:
    headers = {"authorization": f"Bearer {wire.key}"}
    async with httpx2.AsyncClient(base_url=wire.gateway.url, headers=headers) as client:
        return all([(await client.get(f"/v1/stories/{one}")).status_code == 410 for one in stories])


@pytest.mark.timeout(600)
async def test_kills_and_updates_racing_end_dead_everywhere(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    """At both sorts of endpoint, on the stream and on the pages: the kill is the last that came, and came once."""
    stories = [f"urn:race:{number}" for number in range(RACES)]
    where = (kafka_bootstrap, redis_url, topic_prefix, tmp_path)
    async with laden_wire(*where, running=SERVICES, endpoints=ENDPOINTS) as wire:
        wire.came, chance = [], Random(SEED)
        async with wire.listening():
            for first in range(0, RACES, AT_ONCE):
                await race(wire, stories[first : first + AT_ONCE], chance)
            seen = await everything_came(wire)
            assert await gone(wire, stories)
    raced = {at: numbers for at, numbers in seen.items() if at[1] in stories}
    assert {at: numbers for at, numbers in raced.items() if numbers[-1][1] is not Kind.KILL} == {}
    assert {at: numbers for at, numbers in raced.items() if numbers != sorted(set(numbers))} == {}
    assert {story_id for channel, story_id in raced if channel == STREAM} == set(stories)
    lengths = [len(numbers) for (channel, _), numbers in raced.items() if channel == STREAM]
    assert {1, 2, 3} <= set(lengths), "some kills came before anything, some after the first text, some after both"
