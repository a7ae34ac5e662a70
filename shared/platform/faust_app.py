"""Which Faust may run here? An app without tables, web server or directories, whose producer is idempotent.

Only `faust_worker` uses it (decision 0003, which lists the seams of Faust that it overrides).
"""

from collections.abc import Mapping
from typing import Any, cast

import faust
from aiokafka.errors import CommitFailedError
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Producer as FaustProducer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.types import TP, AppT, Message, TransportT

from shared.domain.errors import Misconfigured
from shared.platform.failpoints import Failpoints
from shared.platform.settings import KafkaSettings
from shared.platform.topics import MIB, Topic

CONFIRM_SECONDS = 30.0
SESSION_SECONDS = 10.0
LARGEST_REQUEST = 12 * MIB


class LaneProducer(FaustProducer):
    """Faust's producer, made idempotent, whose flush waits only for what was pending when it began."""

    mundane_level = "debug"  # "Starting..." is no news

    def _settings_extra(self) -> dict[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def flush(self) -> None:
        # Faust's own waits until its buffer is empty, which under load is never: commits starve.
        if pending := self.buffer.size:
            await self.buffer.flush_atmost(pending)
        if self._producer is not None:
            await self._producer.flush()

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has, from the cluster's metadata."""
        return len(await self._ensure_producer().partitions_for(topic))


class _Consumer(FaustConsumer):
    """Faust's consumer, whose commits pass the failpoints."""

    mundane_level = "debug"

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        app = cast(LaneApp, self.app)
        if app.failpoints is None:
            return await super()._commit(offsets)
        await app.failpoints.passing(f"commit.{app.source}.before", CommitFailedError)
        done = await super()._commit(offsets)
        await app.failpoints.passing(f"commit.{app.source}.after", CommitFailedError)
        return done


class _Transport(FaustTransport):
    Consumer = _Consumer
    Producer = LaneProducer


class LaneApp(faust.App):
    """A Faust app that talks through `_Transport` and keeps nothing on disk."""

    mundane_level = "debug"
    source: Topic
    failpoints: Failpoints | None = None

    def _new_transport(self) -> TransportT:
        return _Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """There are no tables to keep in them."""

    def agent(self, *args: Any, concurrency: int = 1, **options: Any) -> Any:
        """One record at a time: with more, Faust commits past records that are still in hand."""
        if concurrency != 1:
            raise Misconfigured(f"A lane handles one record at a time, not {concurrency}: start another process.")
        return super().agent(*args, concurrency=concurrency, **options)

    def Table(self, *_: Any, **__: Any) -> Any:  # noqa: N802 - Faust's name
        """Refused, as are its kin: a table's writes are confirmed by nobody before a commit."""
        raise Misconfigured("A lane has no tables: keep state in a compacted topic and read it back.")

    GlobalTable = SetTable = SetGlobalTable = Table


class Raw(faust.Schema[bytes, bytes]):
    """Keys and values as they came: decoding is the handler's, so that Faust never meets what it cannot decode."""

    def loads_key(self, app: AppT, message: Message, **_: Any) -> Any:
        return message.key

    def loads_value(self, app: AppT, message: Message, **_: Any) -> Any:
        return message.value


def lane_app(
    kafka: KafkaSettings, source: Topic, group: str, member: str, commit_interval: float, window: int
) -> LaneApp:
    """An app that reads `source` as `group` with the static id `member`; buffers up to `window` records a partition."""
    app = LaneApp(
        id=group,
        broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap.split(",")],
        broker_client_id=member,
        broker_commit_interval=commit_interval,
        broker_heartbeat_interval=0.5,
        broker_rebalance_timeout=15.0,
        broker_request_timeout=40.0,
        broker_session_timeout=SESSION_SECONDS,
        consumer_auto_offset_reset="none",  # an offset that retention overtook must be seen, not skipped
        consumer_group_instance_id=member,
        consumer_metadata_max_age_ms=30_000,
        producer_acks=-1,
        producer_linger_ms=0,
        producer_max_batch_size=131_072,
        producer_max_request_size=LARGEST_REQUEST,
        producer_metadata_max_age_ms=30_000,
        producer_request_timeout=CONFIRM_SECONDS,
        store="memory://",
        stream_buffer_maxsize=window,
        stream_wait_empty=True,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.source, app.failpoints = source, kafka.failpoints
    return app
