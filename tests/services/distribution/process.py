"""Distribution as a process that can die, with the log before and behind it and a receiver in front of it."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from services.distribution.adapters.logs import LANES
from shared.domain.events import DeliveryAttempted, encode_event, parse_event
from shared.domain.item import Item
from shared.domain.state import KillRecord
from shared.domain.story import Kind
from shared.domain.subscription import EndpointSecret, Ordering
from shared.platform.provisioning import provision
from shared.platform.publishing import Publisher
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.sealing import Sealer
from shared.platform.settings import KafkaSettings
from shared.platform.signature import new_secret
from shared.platform.topics import Topic, key_of
from tests.receivers.recording import Recorder
from tests.receivers.serving import receiving
from tests.services.distribution.deliveries import endpoint, released, subscription
from tests.waiting import wait_until

KEY = Fernet.generate_key().decode()
WITHIN = 40.0
NAME = "distribution"


@dataclass
class Post:
    """Distribution's surroundings; `start` begins a life of it, which ends by `died`, `kill` or `stop`."""

    kafka: KafkaSettings
    publisher: Publisher
    folder: Path
    recorder: Recorder
    allow: str
    rows: list[DeliveryAttempted] = field(default_factory=list)
    lives: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, *orders: str, instance: str = "0") -> asyncio.subprocess.Process:
        """Begin a life, with these lines of failpoints."""
        for left in self.folder.glob(f"{NAME}.*"):
            left.unlink()
        if orders:
            (self.folder / NAME).write_text("\n".join(orders), encoding="utf-8")
        environment = {
            **os.environ,
            "WIRE_KAFKA": self.kafka.bootstrap,
            "WIRE_TOPIC_PREFIX": self.kafka.topic_prefix,
            "WIRE_SECRET_KEY": KEY,
            "WIRE_ENDPOINT_ALLOW": self.allow,
            "WIRE_FAILPOINTS": str(self.folder),
            "WIRE_INSTANCE": instance,
        }
        with (self.folder / "log").open("ab") as log:
            life = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.distribution"), env=environment, stdout=log, stderr=log
            )
        self.lives.append(life)
        return life

    async def died(self) -> None:
        """Wait until the last life has ended itself at its failpoint."""
        async with asyncio.timeout(WITHIN):
            assert await self.lives[-1].wait() == -9, self.last_words()

    async def kill(self) -> None:
        self.lives[-1].kill()
        await self.lives[-1].wait()

    async def stop(self) -> None:
        """End the last life as a planned restart does."""
        self.lives[-1].terminate()
        async with asyncio.timeout(WITHIN):
            assert await self.lives[-1].wait() == 0, self.last_words()

    def last_words(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")[-2_000:]

    async def struck(self, point: str) -> None:
        """Wait until a process says that it is at the point."""
        await wait_until((self.folder / f"{NAME}.hit").exists, WITHIN, message=point)

    def go_on(self) -> None:
        """Let the life that is held at its failpoint go on."""
        (self.folder / f"{NAME}.go").touch()

    async def release(self, *items: Item) -> None:
        for one in items:
            event = released(one)
            if one.kind is Kind.KILL:
                kill = KillRecord(story_id=one.story_id, version=1, release_no=one.release_no, cause="d", at=1)
                await self.publisher.publish(Topic.KILLED, one.story_id, kill.model_dump_json().encode())
            await self.publisher.publish(LANES[one.lane], one.story_id, encode_event(event))

    async def register(self, url: str, secret: str, ordering: Ordering) -> None:
        """An endpoint that is active already, with a subscription to everything."""
        sealed = EndpointSecret(endpoint_id="ep_1", sealed=(Sealer(KEY).seal(secret),))
        entries = [
            (key_of("ep_1", "secret"), sealed),
            (key_of("ep_1", "endpoint"), endpoint("ep_1", url)),
            (key_of("s1", "subscription"), subscription(ordering=ordering)),
        ]
        for key, value in entries:
            await self.publisher.publish(Topic.SUBSCRIPTION_STATE, key, value.model_dump_json().encode())

    def arrivals(self, story_id: str) -> list[int]:
        """The releases of a story that came, in order of arrival, refused ones included."""
        return [one.data["release_no"] for one in self.recorder.deliveries if one.data["story_id"] == story_id]

    def ends(self, story_id: str) -> dict[int | None, str]:
        """The last state that the delivery log has of each release of a story."""
        return {row.release_no: row.data.state for row in self.rows if row.story_id == story_id}

    def copies(self) -> Counter[str]:
        return Counter(self.recorder.ids)

    def see(self, record: Record) -> None:
        event = parse_event(record.value)
        assert isinstance(event, DeliveryAttempted)
        self.rows.append(event)


@asynccontextmanager
async def post_on(
    kafka: KafkaSettings, folder: Path, ordering: Ordering = Ordering.LATEST, answers: tuple[int, ...] = ()
) -> AsyncIterator[Post]:
    """Everything but the process itself; whatever still lives of it at the end is killed."""
    secret, stop = new_secret(), asyncio.Event()
    recorder = Recorder(secret, answers=answers)
    await provision(kafka, profile="local")
    async with Publisher(kafka) as publisher, receiving(recorder) as receiver, Tail(kafka, (Topic.ATTEMPTS,)) as tail:
        post = Post(kafka, publisher, folder, recorder, f"{receiver.host}:{receiver.port}")
        await post.register(receiver.url, secret, ordering)
        await tail.load(post.see)
        following = asyncio.create_task(tail.follow(post.see, stop))
        try:
            yield post
        finally:
            for life in post.lives:
                if life.returncode is None:
                    life.kill()
                    await life.wait()
            stop.set()
            await following
    assert recorder.unverified == []
