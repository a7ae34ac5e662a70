"""The stream over the real released topics: read once, followed, and read again for who comes late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.gateway.stream.frames import TOPIC_OF
from services.gateway.stream.history import KafkaHistory
from services.gateway.stream.hub import Logs, StreamHub
from services.gateway.stream.positions import Position
from services.gateway.stream.protocol import stream_protocol
from shared.domain.events import StoryReleased, encode_event
from shared.domain.state import KillRecord
from shared.domain.story import Kind, Lane
from shared.platform.health import Health
from shared.platform.http import serve
from shared.platform.publishing import Publisher
from shared.platform.reading import Tail
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.services.gateway.stream.listening import QUICK, Gateway, everyone, rest, running
from tests.services.gateway.stream.releases import ReleasedLog, Standings, released
from tests.waiting import wait_until

RELEASED = (Topic.RELEASED_FLASH, Topic.RELEASED)


async def release(publisher: Publisher, event: StoryReleased) -> None:
    await publisher.publish(TOPIC_OF[event.data.item.lane], event.story_id, encode_event(event))


@asynccontextmanager
async def streaming(kafka: KafkaSettings, **options: Any) -> AsyncIterator[Gateway]:
    """A hub on the topics, ready, behind a port."""
    health, stop, port = Health(), asyncio.Event(), asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as opened:
        flashes = await opened.enter_async_context(Tail(kafka, RELEASED[:1]))
        both = await opened.enter_async_context(Tail(kafka, RELEASED))
        standings = await opened.enter_async_context(Tail(kafka, (Topic.STATE, Topic.KILLED)))
        hub = StreamHub(
            epoch="e1",
            authorize=everyone,
            logs=Logs(flashes, both, standings, (standings.reach_end, both.reach_end)),
            history=KafkaHistory(kafka),
            options=replace(QUICK, **options),
            health=health,
        )
        http = serve(rest(hub), "127.0.0.1", 0, stop, http=stream_protocol(hub), listening=port.set_result)
        async with running(hub.run(stop), http):
            await wait_until(lambda: health.ready()[0], within=30, message="the stream is ready")
            there = Gateway(hub, ReleasedLog(), Standings(), await port, stop)
            try:
                yield there
            finally:
                for listener in there.listeners:
                    await listener.close()
                stop.set()


async def test_stories_of_the_real_topics_come_live_and_again(kafka: KafkaSettings, publisher: Publisher) -> None:
    """Before the start, after it, out of memory, and out of the log once memory has let go; a kill hides the rest."""
    await release(publisher, released("urn:1"))
    await release(publisher, released("urn:dead"))
    await release(publisher, released("urn:2", lane=Lane.FLASH))
    for ring_age_s in (900, -60):
        async with streaming(kafka, ring_age_s=ring_age_s) as gateway:
            late = await gateway.listen("cursor=earliest")
            seen = await late.take(4)
            assert [event.data["story_id"] for event in seen[1:]] == ["urn:2", "urn:1", "urn:dead"]
            assert seen[-1].id == "e1-1-2"
    async with streaming(kafka) as gateway:
        live = await gateway.listen()
        await live.next()
        kill = KillRecord(story_id="urn:dead", version=1, release_no=2, cause="e", at=1)
        await publisher.publish(Topic.KILLED, "urn:dead", kill.model_dump_json().encode())
        await release(publisher, released("urn:dead", 2, Lane.FLASH, Kind.KILL))
        event = await live.next(within=10)
        assert (event.data["kind"], event.id) == ("kill", "e1-2-2")
        again = await gateway.listen("cursor=earliest")
        shown = [event.data["story_id"] for event in (await again.take(4))[1:]]
        assert shown == ["urn:2", "urn:dead", "urn:1"]


async def test_the_log_is_read_by_offset_and_time(kafka: KafkaSettings, publisher: Publisher) -> None:
    """What a replay asks for: the beginning, a moment, and a stretch that ends where the ring begins."""
    for number in range(4):
        await release(publisher, released(f"urn:{number}"))
    history = KafkaHistory(kafka)
    now = datetime.now(UTC)
    assert await history.earliest() == Position(0, 0)
    assert await history.at(now - timedelta(hours=1)) == Position(0, 0)
    assert await history.at(now + timedelta(hours=1)) == Position(0, 4)
    assert [record.offset for record in await history.read(Lane.ROUTINE, 1, 3)] == [1, 2]
    assert await history.read(Lane.ROUTINE, 4, 9) == []
    assert await history.read(Lane.FLASH, 0, 0) == []
