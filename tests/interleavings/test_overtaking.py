"""A flash behind thousands of routine records in every topic at once: how many of them go before it, hop by hop?

`OVERTAKING=50000 make test ARGS=tests/interleavings/test_overtaking.py` lets the whole fifty thousand wait.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from shared.platform.publishing import Appended
from shared.platform.topics import Topic
from tests.interleavings.backlog import (
    ENDPOINT,
    SHARD,
    Make,
    due,
    fill,
    flash,
    in_the_inbox,
    on_the_wire,
    received,
    waiting,
)
from tests.interleavings.laden import MANY, STREAM, Laden, laden_wire
from tests.waiting import wait_until

COUNT = int(os.environ.get("OVERTAKING", "5000"))
ROUNDS = 8
AT_MOST = 64
ASLEEP_FOR = 5_000
WITHIN = 60.0
ENRICHED = (Topic.INBOX_FLASH, Topic.RECEIVED, Topic.INBOX)
MATCHED = (Topic.DUE_FLASH, Topic.RELEASED, Topic.DUE)
DECIDED = (Topic.RELEASED_FLASH, Topic.INBOX, Topic.RELEASED)
"""To which topic a flash goes, and from where to where the routine records."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A stage: how a flash gets in, and how to tell how many routine effects there were before its own.

    `measure` takes the flash's story_id; it begins to count, appends, waits for the effect and returns the count.
    """

    name: str
    in_all: Callable[[], Awaitable[int]]
    """How many routine effects there will be of all that waits or has been."""
    routine: Callable[[], Awaitable[int]]
    measure: Callable[[str], Awaitable[int]]


def hops(wire: Laden) -> list[Hop]:
    """Topics are compared by the log's own times of their records.

    Elsewhere it is counted from the broker's confirmation on: while it takes its time to append, what was read before
    goes out.
    """

    async def put(topic: Topic, make: Make, story_id: str, partition: int | None = None) -> Appended:
        [appended] = await wire.publisher.publish_all([flash(topic, make, story_id, partition=partition)])
        return appended

    async def all_of(waiting: int) -> int:
        return waiting

    def on_topics(name: str, way: Topic, make: Make, to: Topic, source: Topic, routine: Topic, laid: int) -> Hop:
        """`laid`: so many records lay in the output topic from the beginning."""

        async def in_all() -> int:
            return laid + await wire.appended(source)

        async def measure(story_id: str) -> int:
            seen = wire.watch.expect(to, story_id)
            appended = await put(way, make, story_id)
            first = await wire.appended(routine, appended.timestamp_ms)
            return await wire.appended(routine, await seen + 1) - first

        return Hop(name, in_all, partial(wire.appended, routine), measure)

    async def posted() -> int:
        return wire.posted

    async def at_the_endpoint(story_id: str) -> int:
        seen = wire.watch.expect(ENDPOINT, story_id)
        await put(Topic.DUE_FLASH, due, story_id, SHARD)
        before = wire.posted
        return max(0, await seen - before)

    async def on_the_stream(story_id: str) -> int:
        seen = wire.watch.expect(STREAM, story_id)
        await put(Topic.RELEASED_FLASH, on_the_wire, story_id)
        before = wire.shown
        return max(0, await seen - before)

    async def in_the_views(story_id: str) -> int:
        await put(Topic.RELEASED_FLASH, on_the_wire, story_id)
        before = await wire.viewed()
        return await wire.viewed_with(story_id) - before

    return [
        Hop("deliverer", partial(all_of, MANY * COUNT), posted, at_the_endpoint),
        on_topics("enrich", Topic.RECEIVED_FLASH, received, *ENRICHED, MANY * COUNT),
        Hop("views", partial(wire.appended, Topic.RELEASED), wire.viewed, in_the_views),
        on_topics("matcher", Topic.RELEASED_FLASH, on_the_wire, *MATCHED, MANY * COUNT),
        on_topics("desk", Topic.INBOX_FLASH, in_the_inbox, *DECIDED, COUNT),
        Hop("stream", partial(all_of, COUNT), wire.shown_so_far, on_the_stream),
    ]


async def rounds(stage: Hop) -> list[int]:
    counts: list[int] = []
    for number in range(ROUNDS + 1):
        async with asyncio.timeout(WITHIN):
            counts.append(await stage.measure(f"urn:slugline:flash:{stage.name}:{number}"))
    assert await stage.routine() < await stage.in_all(), f"nothing waited any more for {stage.name}"
    return counts[1:]  # a process that has just started is slow with its first record, while others are at work


@pytest.mark.timeout(900)
async def test_a_flash_passes_whatever_waits_in_every_topic(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most 64 routine effects at each hop between its append and its effect, counted, never timed."""
    async with laden_wire(kafka_bootstrap, redis_url, topic_prefix, tmp_path, COUNT) as wire:
        stages = hops(wire)
        begun = {stage.name: await stage.routine() for stage in stages}
        passed = {stage.name: await rounds(stage) for stage in stages[:-1]}
        async with wire.listening():
            for part in range(0, COUNT, ASLEEP_FOR):
                shown = wire.shown
                with wire.asleep("gateway"):  # so that it is far behind; not for so long that its group forgets it
                    await fill(wire.publisher, waiting(Topic.RELEASED, on_the_wire, ASLEEP_FOR, series=f"{part}"))
                await wait_until(lambda was=shown: wire.shown > was, WITHIN)  # type: ignore[misc]
            passed |= {stage.name: await rounds(stage) for stage in stages[-1:]}
        ended = {stage.name: await stage.routine() for stage in stages}
    with capsys.disabled():
        for name, counts in passed.items():
            sys.stdout.write(f"\novertaken behind {COUNT:,}: {name:<10} {counts}  ({begun[name]} → {ended[name]})")
        sys.stdout.write("\n")
    assert max(max(counts) for counts in passed.values()) <= AT_MOST
