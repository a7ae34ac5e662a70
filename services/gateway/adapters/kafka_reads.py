"""What is asked of the log beside following it? A text, the ends of the lanes, all releases, its life's name."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from services.gateway.refusals import NotReady
from services.gateway.stream.positions import LANES, Position, epoch_of
from shared.domain.state import StoryText, TextRef
from shared.domain.story import Lane
from shared.platform.logs import logger
from shared.platform.reading import Lookup, Tail, TopicPartition, end_offsets
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name

_LANES = {Lane.FLASH: Topic.RELEASED_FLASH, Lane.ROUTINE: Topic.RELEASED}


class KafkaTexts:
    """`services.gateway.ports.Texts` over `story.text`."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def text(self, at: TextRef) -> StoryText | None:
        record = await self._lookup.read_one(Topic.TEXT, at.partition, at.offset)
        if record is None or record.value is None:
            return None
        try:
            return StoryText.model_validate_json(record.value)
        except ValidationError:
            logger().error("text.unreadable", partition=at.partition, offset=at.offset)
            return None


class KafkaEnds:
    """`services.gateway.ports.ReleasedEnds`: both lanes have one partition."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def ends(self) -> Mapping[Lane, int]:
        try:
            found = await end_offsets(self._kafka, _LANES.values())
        except KafkaError as error:
            raise NotReady("the broker does not answer") from error
        return {lane: found[TopicPartition(topic, 0)] for lane, topic in _LANES.items()}


class ReleasedLog:
    """`services.gateway.views.ports.ReadLog`: what retention has kept, then the newest of every older story."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    async def __call__(self, take: Callable[[Record], None], between: Callable[[], Awaitable[None]]) -> Position:
        async with Tail(self._kafka, tuple(_LANES.values())) as lanes:
            await lanes.load(take, between=between)
            ends = lanes.positions()
        async with Tail(self._kafka, (Topic.CURRENT,)) as newest:
            await newest.load(take, between=between)
        return Position(*(ends[TopicPartition(_LANES[lane], 0)] for lane in LANES))


async def epoch(kafka: KafkaSettings) -> str:
    """Return the name of the log's present life, for the stream's ids. Raises KafkaError without a broker."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap, client_id=f"{kafka.client_id}-gateway")
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
    finally:
        await admin.close()
    return epoch_of(str(cluster["cluster_id"]), *(name(topic, kafka.topic_prefix) for topic in _LANES.values()))
