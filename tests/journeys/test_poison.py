"""What does a record do that is not JSON, on any topic? It is parked or passed over; no service ends, nothing waits."""

import os
import signal

import httpx2
import pytest
from aiokafka import AIOKafkaProducer

from shared.platform.parking import ORIGIN_TOPIC
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, partition_of, spec
from tests.journeys.instance import Wire
from tests.journeys.people import Desk, Subscriber
from tests.journeys.texts import a_story, a_uri
from tests.parked_on import PARKED_ON
from tests.waiting import wait_until

pytestmark = pytest.mark.broker

POISON = b"\xff\x00{ this is no JSON"
KEY = "poison"


async def poison(wire: Wire) -> None:
    """Put the same bytes on every topic, as some other program might."""
    producer = AIOKafkaProducer(bootstrap_servers=wire.now.kafka)
    await producer.start()
    try:
        for topic in Topic:
            partition = partition_of(KEY, spec(topic).partitions.local)
            await producer.send_and_wait(topic.value, POISON, key=KEY.encode(), partition=partition)
    finally:
        await producer.stop()


async def parked(wire: Wire) -> dict[Topic, Topic]:
    """From which topic it was parked, and where."""
    found: dict[Topic, Topic] = {}

    def note(record: Record) -> None:
        if record.value == POISON and ORIGIN_TOPIC in record.headers:
            found[Topic(record.headers[ORIGIN_TOPIC].decode())] = record.topic

    async with Tail(KafkaSettings(bootstrap=wire.now.kafka), tuple(set(PARKED_ON.values()))) as tail:
        await tail.load(note)
    return found


def a_neighbour() -> str:
    """A story id that lies in the partition of the poison."""
    partitions = spec(Topic.INBOX).partitions.local
    wanted = partition_of(KEY, partitions)
    return next(uri for uri in iter(a_uri, "") if partition_of(uri, partitions) == wanted)


async def test_a_record_that_is_not_json_stops_nothing_on_any_topic(
    wire: Wire, desk: Desk, subscriber: Subscriber
) -> None:
    """Stories behind it in its own partition come through in both lanes; it lies parked; no process was restarted."""
    before = dict(wire.now.pids)
    async with subscriber.webhooks() as inbox, subscriber.listening() as stream:
        await poison(wire)
        for urgency in (4, 1):
            accepted = await desk.file(a_story(a_neighbour(), urgency=urgency))
            await inbox.item(accepted.story_id)
            await stream.story(accepted.story_id)
        await wait_until(lambda: _is_parked(wire), 20, every=0.5, message="it is parked wherever a service acts")
        assert await _all_ready(wire, subscriber)
    assert wire.now.pids == before


async def test_services_started_behind_the_poison_work(wire: Wire, desk: Desk, subscriber: Subscriber) -> None:
    """What is passed over while following is passed over while loading too: old and new stories are there."""
    old = await desk.released(a_story())
    await poison(wire)
    for name in ("gateway", "distribution", "moderation", "ingest"):
        await killed_and_restarted(wire, name)
    await wait_until(lambda: _all_ready(wire, subscriber), 60, every=0.2, message="gateway, ingest, monitor are ready")
    assert (await subscriber.story(old.story_id)).status_code == 200
    async with subscriber.webhooks() as inbox:
        new = await desk.released(a_story(a_neighbour()))
        await inbox.item(new.story_id)


async def killed_and_restarted(wire: Wire, name: str) -> None:
    """Kill one service; its supervisor starts it again under another process id."""
    before = wire.pid(name)
    os.kill(before, signal.SIGKILL)
    await wait_until(lambda: wire.now.pids.get(name, before) != before, 30, message=f"{name} is started again")


async def _all_ready(wire: Wire, person: Subscriber) -> bool:
    for url in (wire.now.gateway, wire.now.ingest, wire.now.monitor):
        try:
            if (await person.api.get(f"{url}/readyz")).status_code != 200:
                return False
        except httpx2.TransportError:
            return False
    return True


async def _is_parked(wire: Wire) -> bool:
    return (await parked(wire)).items() >= PARKED_ON.items()
