"""`python -m tests.bench.rebuild`: Redis is emptied under load; how long until every story is in the views again?"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.kafka import LocalKafka
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.platform.consuming import group_name
from shared.platform.provisioning import provision, readers
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.redis import connect
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.bench.figures import spread, table
from tests.bench.load import Load, a_load
from tests.bench.releases import a_release, record_of
from tests.chaos.instance import ChaosWire, chaos_wire

STORIES = 100_000
AT_ONCE = 1_000
BODY = " ".join(["The council voted on the bridge after a long debate about its cost."] * 12)
FACTS = Facts(sections=("world",), subjects=("medtop:16000000",), places=("TJ",), sources=("desk",), languages=("en",))
RELEASES = (Topic.RELEASED, Topic.RELEASED_FLASH)
LOOK_EVERY_S = 0.05
REBUILT_WITHIN_S = 600.0


@dataclass(slots=True)
class Seen:
    """What the gateway said while its views were away: seconds until they were whole, and its answers by status."""

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    without_retry_after: int = 0


def main() -> int:
    """Run it and print the figures; 1 when something besides 200 and 503 with Retry-After was answered."""
    asked = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="slugline-rebuild-") as folder:
        data = Path(folder)
        say(f"Putting {asked.stories} releases into the log")
        asyncio.run(fill(data, asked.stories))
        return asyncio.run(_measure(data, asked.stories, asked.rate))


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def fill(data: Path, stories: int) -> None:
    """Release so many stories on a broker whose data a wire will find, and let every group have handled them."""
    async with LocalKafka(data / "kafka") as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        await provision(kafka, profile="local")
        async with Publisher(kafka) as publisher:
            for first in range(0, stories, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, stories))
                await publisher.publish_all([one for number in numbers for one in released(number)])
        for reader in readers():
            if reader.topic in RELEASES:
                await _pass_all(kafka, reader.own, reader.topic)


def released(number: int) -> Iterator[Outgoing]:
    """One release as moderation writes it: in its lane, and as the story's newest."""
    story_id = f"urn:slugline:bench:{number}"
    at = datetime.now(UTC) - timedelta(hours=1)
    story = {
        "uri": story_id,
        "type": "text",
        "version": "1",
        "pubStatus": "usable",
        "headlines": [{"value": f"Council votes on bridge {number}"}],
        "bodies": [
            {"contentType": "text/plain", "value": BODY},
            {"contentType": "text/html", "value": f"<p>{BODY}</p>"},
        ],
    }
    item = Item(
        lane=Lane.ROUTINE, kind=Kind.PUBLISH, story_id=story_id, version=1, release_no=1, released_at=at, story=story
    )
    event = a_release(item, FACTS)
    yield record_of(event)
    yield record_of(event, Topic.CURRENT)


async def _pass_all(kafka: KafkaSettings, group: str, topic: Topic) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=group_name(group), enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(name(topic), 0)
        consumer.assign([place])
        await consumer.commit(await consumer.end_offsets([place]))
    finally:
        await consumer.stop()


async def _measure(data: Path, stories: int, rate: float) -> int:
    async with chaos_wire(data) as wire:
        say("A wire is up on it; its first views are whole")
        async with a_load(wire.wire, say) as (load, _):
            before, _ = await _under_load(load, rate, asyncio.create_task(asyncio.sleep(15)))
            emptying = asyncio.create_task(_emptied(wire))
            during, stream = await _under_load(load, rate, emptying)
            seen = emptying.result()
        redis = connect(wire.redis.url)
        used = int((await redis.info("memory"))["used_memory"]) / 2**20
        await redis.aclose()
    _tell(stories, rate, seen, used, {"before": before, "while the views were rebuilt": during}, stream)
    return 1 if seen.statuses.keys() - {200, 503} or seen.without_retry_after else 0


async def _under_load(load: Load, rate: float, until: "asyncio.Task[object]") -> tuple[list[float], list[float]]:
    """File at that rate until the task is done; milliseconds from accepted to webhook, and to the stream."""
    webhook: list[float] = []
    stream: list[float] = []
    while not until.done():
        run = await load.steady(rate, 3, urgency=4)
        webhook += run.webhook
        stream += run.stream
    return webhook, stream


async def _emptied(wire: ChaosWire) -> Seen:
    """FLUSHALL, then ask for a story from the far end of the log until it is there again."""
    redis = connect(wire.redis.url)
    await redis.flushall()
    await redis.aclose()
    began, seen, away = time.monotonic(), Seen(), False
    gateway, key = wire.services["gateway"].url, wire.wire.key("operator")
    async with httpx2.AsyncClient(base_url=gateway, headers={"authorization": f"Bearer {key}"}, timeout=30) as client:
        while time.monotonic() < began + REBUILT_WITHIN_S:
            answer = await client.get("/v1/stories/urn:slugline:bench:0")
            ready = await client.get("/readyz")
            seen.statuses[answer.status_code] = seen.statuses.get(answer.status_code, 0) + 1
            seen.without_retry_after += answer.status_code == 503 and "retry-after" not in answer.headers
            away = away or ready.status_code == 503
            if away and (answer.status_code, ready.status_code) == (200, 200):
                seen.seconds = time.monotonic() - began
                return seen
            await asyncio.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"the views are not whole after {REBUILT_WITHIN_S:g} s: {seen}")


def _tell(
    stories: int, rate: float, seen: Seen, used: float, webhooks: dict[str, list[float]], stream: list[float]
) -> None:
    rows = []
    for when, values in {
        **{f"webhook, {when}": told for when, told in webhooks.items()},
        "stream, meanwhile": stream,
    }.items():
        found = spread(values)
        cells = [f"{value:.1f}" for value in (found.p50, found.p95, found.p99, found.most)] if found else [""] * 4
        rows.append([when, str(len(values)), *cells])
    say("")
    say(
        f"Redis emptied with {stories} stories in the log: views whole again after **{seen.seconds:.1f} s** "
        f"({stories / seen.seconds:.0f} stories a second, each read from its lane and from story.current); "
        f"Redis then holds {used:.0f} MiB."
    )
    say(f"Answers meanwhile, by status: {seen.statuses}; 503 without Retry-After: {seen.without_retry_after}.")
    say(f"Milliseconds from accepted, {rate:g} stories a second:")
    say("")
    for line in table(["to", "stories", "p50", "p95", "p99", "most"], rows):
        say(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.rebuild",
        description="Empty Redis under a whole wire and measure how long its views take to be whole again.",
        epilog="example: python -m tests.bench.rebuild --stories 10000",
    )
    parser.add_argument("--stories", type=int, default=STORIES, help=f"stories in the log ({STORIES})")
    parser.add_argument("--rate", type=float, default=5.0, help="stories a second that are filed meanwhile (5)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
