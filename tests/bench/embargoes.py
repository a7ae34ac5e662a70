"""`python -m tests.bench.embargoes`: how late are embargoes lifted, one by one and ten thousand at once?

A real broker and the real moderation process; enrichment is left out, so that the clock and the desk are measured.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from shared.domain.events import StoryEnriched, encode_event, parse_event
from shared.domain.state import StoryState
from shared.domain.story import lane_of
from shared.platform.envelopes import headers_for
from shared.platform.provisioning import provision
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.bench.figures import Spread, spread
from tests.domain.stories import enriched, ninjs
from tests.services.moderation.service import is_ready, moderation_process
from tests.waiting import wait_until

WITHIN = 600
TOGETHER = 500  # filings published in one go
BODY = "The harbour opens again on Monday, the board said. " * 60  # about 3 KB, as a wire story is
FLASH = "flash-filed-meanwhile"


@dataclass
class Seen:
    """What moderation wrote: when each story was released (arrival here, wall clock), and what is embargoed."""

    released: dict[str, float] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    embargoed: set[str] = field(default_factory=set)

    def see(self, record: Record) -> None:
        if record.topic is Topic.STATE:
            state = StoryState.model_validate_json(record.value or b"")
            self.embargoed.add(state.story_id)
            return
        event = parse_event(record.value)
        self.released.setdefault(event.story_id, time.time())
        self.order.append(event.story_id)


def filing(story_id: str, urgency: int, until: datetime | None) -> Outgoing:
    story = ninjs(headline=story_id, body=BODY)
    event = StoryEnriched(
        event_id=story_id,
        story_id=story_id,
        version=1,
        occurred_at=datetime.now(UTC),
        producer="enrich",
        data=enriched(story=story, urgency=urgency, embargo_until=until),
    )
    topic = Topic.INBOX_FLASH if lane_of(urgency) == "flash" else Topic.INBOX
    return Outgoing(topic, story_id, encode_event(event), headers_for(event))


@asynccontextmanager
async def following(kafka: KafkaSettings, seen: Seen) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with Tail(kafka, (Topic.STATE, Topic.RELEASED, Topic.RELEASED_FLASH)) as tail:
        await tail.load(seen.see)
        reading = asyncio.create_task(tail.follow(seen.see, stop))
        yield
        stop.set()
        await reading


async def file(publisher: Publisher, filings: list[Outgoing]) -> None:
    for start in range(0, len(filings), TOGETHER):
        await publisher.publish_all(filings[start : start + TOGETHER])


async def steadily(kafka: KafkaSettings, seen: Seen, rate: int, seconds: int) -> Spread | None:
    """Embargoes that end one after the other, `rate` a second; how late each was released, in ms."""
    first = datetime.now(UTC) + timedelta(seconds=5)
    ends = {f"steady-{n}": first + timedelta(seconds=n / rate) for n in range(rate * seconds)}
    async with Publisher(kafka) as publisher:
        await file(publisher, [filing(story, 4, until) for story, until in ends.items()])
    await wait_until(lambda: ends.keys() <= seen.released.keys(), within=WITHIN)
    return spread([1_000 * (seen.released[story] - until.timestamp()) for story, until in ends.items()])


@dataclass(frozen=True, slots=True)
class Drain:
    """All at once: seconds from T0 to the last release, the flash's own way in ms, and how far order was kept."""

    count: int
    seconds: float
    flash_ms: float
    before_flash: int
    inversion: int


async def at_once(kafka: KafkaSettings, seen: Seen, count: int, *, cold: bool) -> Drain:
    """Embargoes that all end in one second; with `cold` the process starts anew between filing and T0."""
    name = "cold" if cold else "warm"
    until = datetime.now(UTC) + timedelta(seconds=30 + count / 200)
    urgencies = {f"{name}-{n}": 3 + (n * 7) % 6 for n in range(count)}
    port = free_port()
    async with Publisher(kafka) as publisher:
        async with moderation_process(kafka, port) as process:
            await file(publisher, [filing(story, urgency, until) for story, urgency in urgencies.items()])
            await wait_until(lambda: urgencies.keys() <= seen.embargoed, within=WITHIN, every=0.2)
            if cold:
                process.terminate()
                await process.wait()
            else:
                return await _drained(publisher, seen, until, urgencies, f"{FLASH}-{name}")
        async with moderation_process(kafka, port):
            await wait_until(lambda: is_ready(port), within=WITHIN)
            return await _drained(publisher, seen, until, urgencies, f"{FLASH}-{name}")


async def _drained(publisher: Publisher, seen: Seen, until: datetime, urgencies: dict[str, int], flash: str) -> Drain:
    """Wait for T0 and for the last release; file a flash half a second in."""
    if datetime.now(UTC) >= until:
        raise SystemExit("Filing took longer than planned: take fewer.")
    early = len(urgencies.keys() & seen.released.keys())
    if early:
        raise SystemExit(f"{early} were released before their time.")
    await wait_until(lambda: datetime.now(UTC) > until + timedelta(seconds=0.5), within=WITHIN)
    done, filed = len(seen.order), time.time()
    await publisher.publish_all([filing(flash, 1, None)])
    await wait_until(lambda: flash in seen.released, within=WITHIN, every=0.002)
    await wait_until(lambda: urgencies.keys() <= seen.released.keys(), within=WITHIN, every=0.2)
    return Drain(
        count=len(urgencies),
        seconds=max(seen.released[story] for story in urgencies) - until.timestamp(),
        flash_ms=1_000 * (seen.released[flash] - filed),
        before_flash=seen.order.index(flash) - done,
        inversion=_inversion([story for story in seen.order if story in urgencies], urgencies),
    )


def _inversion(order: Iterable[str], urgencies: dict[str, int]) -> int:
    """Return how many less urgent stories went before a more urgent one, at the worst."""
    found = [urgencies[story] for story in order]
    ranked = sorted(found)
    if all(one <= other for one, other in pairwise(found)):
        return 0
    last = {urgency: max(at for at, one in enumerate(found) if one == urgency) for urgency in set(found)}
    due = {urgency: max(at for at, one in enumerate(ranked) if one == urgency) for urgency in set(found)}
    return max(last[urgency] - due[urgency] for urgency in last)


async def measure(kafka: KafkaSettings, count: int, rate: int, seconds: int) -> None:
    await provision(kafka, profile="local")
    seen = Seen()
    async with following(kafka, seen):
        port = free_port()
        async with moderation_process(kafka, port):
            await wait_until(lambda: is_ready(port), within=60)
            late = await steadily(kafka, seen, rate, seconds)
        if late:
            say(f"{rate} due a second for {seconds} s: p50 {late.p50:.0f}, p99 {late.p99:.0f}, most {late.most:.0f} ms")
        for cold in (False, True):
            drain = await at_once(kafka, seen, count, cold=cold)
            say(
                f"{drain.count} due at once{' after a restart' if cold else ''}: drained in {drain.seconds:.1f} s "
                f"({drain.count / drain.seconds:.0f}/s); a flash filed meanwhile took {drain.flash_ms:.0f} ms and let "
                f"{drain.before_flash} of them by; order of urgency kept within {drain.inversion}"
            )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def with_broker(count: int, rate: int, seconds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="slugline-embargoes-") as folder:
        async with LocalKafka(Path(folder)) as broker:
            await broker.ready()
            await measure(KafkaSettings(bootstrap=broker.bootstrap), count, rate, seconds)


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.embargoes", description="Measure the embargo clock.")
    asked.add_argument("--count", type=int, default=10_000, help="embargoes that end together")
    asked.add_argument("--rate", type=int, default=20, help="embargoes a second that end one after the other")
    asked.add_argument("--seconds", type=int, default=30, help="for so long")
    given = asked.parse_args()
    asyncio.run(with_broker(given.count, given.rate, given.seconds))


if __name__ == "__main__":
    main()
