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

from shared.platform.topics import Topic
from tests.interleavings.backlog import SHARD, Make, due, fill, flash, in_the_inbox, on_the_wire, received, waiting
from tests.interleavings.laden import Laden, laden_wire

COUNT = int(os.environ.get("OVERTAKING", "5000"))
ROUNDS = 8
AT_MOST = 64
WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Hop:
    """A stage: how a flash gets in, where its effect shows, and how many routine effects there were."""

    name: str
    put: Callable[[str], Awaitable[object]]
    effect: Callable[[str], Awaitable[object]]
    count: Callable[[], Awaitable[int]]

    async def passed_by(self, number: int) -> int:
        """Put a flash in; return how many routine effects came between its append and its own effect, at most.

        Counted before the append begins and after the effect was seen: never fewer than there were.
        """
        story_id = f"urn:slugline:flash:{self.name}:{number}"
        effect = asyncio.ensure_future(self.effect(story_id))
        before = await self.count()
        await self.put(story_id)
        async with asyncio.timeout(WITHIN):
            await effect
        return await self.count() - before


def hops(wire: Laden) -> list[Hop]:
    def put(topic: Topic, make: Make, partition: int | None = None) -> Callable[[str], Awaitable[object]]:
        def append(story_id: str) -> Awaitable[object]:
            return wire.publisher.publish_all([flash(topic, make, story_id, partition=partition)])

        return append

    def seen(where: str) -> Callable[[str], Awaitable[object]]:
        return lambda story_id: wire.watch.expect(where, story_id).wait()

    async def posted() -> int:
        return wire.posted

    async def shown() -> int:
        return wire.shown

    on_topics = {
        "enrich": (put(Topic.RECEIVED_FLASH, received), Topic.INBOX_FLASH, Topic.INBOX),
        "desk": (put(Topic.INBOX_FLASH, in_the_inbox), Topic.RELEASED_FLASH, Topic.RELEASED),
        "matcher": (put(Topic.RELEASED_FLASH, on_the_wire), Topic.DUE_FLASH, Topic.DUE),
    }
    return [
        *(Hop(name, way, seen(to), partial(wire.appended, of)) for name, (way, to, of) in on_topics.items()),
        Hop("deliverer", put(Topic.DUE_FLASH, due, SHARD), seen("endpoint"), posted),
        Hop("views", put(Topic.RELEASED_FLASH, on_the_wire), wire.until_viewed, wire.viewed),
        Hop("stream", put(Topic.RELEASED_FLASH, on_the_wire), seen("stream"), shown),
    ]


async def rounds(stage: Hop) -> list[int]:
    return [await stage.passed_by(number) for number in range(ROUNDS)]


@pytest.mark.timeout(900)
async def test_a_flash_passes_whatever_waits_in_every_topic(
    kafka_bootstrap: str, redis_url: str, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most 64 routine effects at each hop between its append and its effect, counted, never timed."""
    async with laden_wire(kafka_bootstrap, redis_url, topic_prefix, tmp_path, COUNT) as wire:
        stages = hops(wire)
        begun = {stage.name: await stage.count() for stage in stages}
        passed = {stage.name: await rounds(stage) for stage in stages[:-1]}
        async with wire.listening():
            with wire.asleep("gateway"):
                await fill(wire.publisher, waiting(Topic.RELEASED, on_the_wire, COUNT, series="more"))
            passed |= {stage.name: await rounds(stage) for stage in stages[-1:]}
        ended = {stage.name: await stage.count() for stage in stages}
    with capsys.disabled():
        for name, counts in passed.items():
            sys.stdout.write(f"\novertaken behind {COUNT:,}: {name:<10} {counts}  ({begun[name]} → {ended[name]})")
        sys.stdout.write("\n")
    assert max(max(counts) for counts in passed.values()) <= AT_MOST
