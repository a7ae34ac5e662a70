"""What does Faust do by itself that our wrapper keeps it from? An upgrade that changes any of it fails here.

Nothing of ours runs in these tests but the topics: apps are built as Faust's own guide builds them. Where a test fails
after an upgrade, read decision 0003 again: what we avoid may not be there any more, or may have moved.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.contrib.asgi import faust_app_running
from faust.transport.drivers.aiokafka import Producer

from shared.platform.consuming import committed
from shared.platform.faust_app import lane_app
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic, name
from tests.platform.cluster import everything, fill, make_topics
from tests.waiting import wait_until

WITHIN = 30
GROUP = "upstream"
Body = Callable[[Any], Awaitable[None]]


@pytest.fixture
async def topics(kafka: KafkaSettings) -> KafkaSettings:
    """An input, and an output that refuses more than 1000 bytes."""
    await make_topics(kafka, {Topic.RECEIVED: 1})
    await make_topics(kafka, {Topic.INBOX: 1}, **{"max.message.bytes": "1000"})
    return kafka


@asynccontextmanager
async def as_the_guide_says(kafka: KafkaSettings, folder: Path, body: Body, **agent: Any) -> AsyncIterator[faust.App]:
    """A running app with one agent and ordinary acknowledgements; `agent` is its options."""
    app = faust.App(
        f"{kafka.topic_prefix}{GROUP}",
        broker=f"kafka://{kafka.bootstrap}",
        broker_commit_interval=0.2,
        broker_heartbeat_interval=0.5,
        broker_session_timeout=10.0,
        broker_rebalance_timeout=15.0,
        broker_request_timeout=40.0,
        datadir=folder,
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    source = app.topic(name(Topic.RECEIVED, kafka.topic_prefix), **agent.pop("source", {"value_serializer": "raw"}))
    app.agent(source, name="upstream", **agent)(body)
    async with faust_app_running(app):
        yield app


async def passed(kafka: KafkaSettings) -> int:
    """The committed offset of the only partition."""
    return (await committed(kafka, GROUP, Topic.RECEIVED, [0]))[0] or 0


async def test_h2_an_exception_acknowledges_the_record_and_skips_it(topics: KafkaSettings, tmp_path: Path) -> None:
    """The offset passes a record whose handler raised, and nobody sees it again."""
    seen: list[bytes] = []

    async def body(stream: Any) -> None:
        async for value in stream:
            if value == b"2":
                raise RuntimeError("the handler broke")
            seen.append(value)

    await fill(topics, Topic.RECEIVED, list("01234"))
    async with as_the_guide_says(topics, tmp_path, body):
        await wait_until(lambda: _is(passed(topics), 5), WITHIN)
    assert seen == [b"0", b"1", b"3", b"4"]


async def test_h3_a_failed_send_does_not_stop_the_commit(topics: KafkaSettings, tmp_path: Path) -> None:
    """The broker refuses the output (too large for its topic); the input's offset passes all the same."""
    output = name(Topic.INBOX, topics.topic_prefix)

    async def body(stream: Any) -> None:
        async for value in stream:
            await app.topic(output, value_serializer="raw").send(value=value)

    await fill(topics, Topic.RECEIVED, ["x" * 5000, "fits"])
    async with as_the_guide_says(topics, tmp_path, body) as app:
        await wait_until(lambda: _is(passed(topics), 2), WITHIN)
        await wait_until(lambda: everything(topics, Topic.INBOX), WITHIN)
    assert [one.value for one in await everything(topics, Topic.INBOX)] == [b"fits"]


async def test_awaiting_a_send_is_not_delivery(topics: KafkaSettings, tmp_path: Path) -> None:
    """What `await topic.send()` returns is a promise, open when it is returned; awaiting that one is delivery."""
    told: list[tuple[bool, int]] = []
    output = name(Topic.INBOX, topics.topic_prefix)

    async def body(stream: Any) -> None:
        async for value in stream:
            promise: Any = await app.topic(output, value_serializer="raw").send(value=value)
            kept_already = promise.done()
            told.append((kept_already, (await promise).offset))

    await fill(topics, Topic.RECEIVED, ["one"])
    async with as_the_guide_says(topics, tmp_path, body) as app:
        await wait_until(lambda: told, WITHIN)
    assert told == [(False, 0)]


async def test_h1_concurrency_commits_past_a_record_in_hand(topics: KafkaSettings, tmp_path: Path) -> None:
    """Four at once: the first of them is still being handled when the offset has passed it."""
    held, go_on = asyncio.Event(), asyncio.Event()

    async def body(stream: Any) -> None:
        async for value in stream:
            if value == b"0":
                held.set()
                await go_on.wait()

    await fill(topics, Topic.RECEIVED, [str(n) for n in range(8)])
    async with as_the_guide_says(topics, tmp_path, body, concurrency=4):
        try:
            await wait_until(held.is_set, WITHIN)
            await wait_until(lambda: _more(passed(topics), 0), WITHIN)
        finally:
            go_on.set()


async def test_h4_what_cannot_be_decoded_is_acknowledged(topics: KafkaSettings, tmp_path: Path) -> None:
    """A codec that raises breaks the agent, and the record is passed with nobody having seen its bytes."""
    seen: list[Any] = []

    async def body(stream: Any) -> None:
        async for value in stream:
            seen.append(value)  # noqa: PERF401 - one after the other is what is tried

    await fill(topics, Topic.RECEIVED, ["{not json", '{"n": 1}'])
    async with as_the_guide_says(topics, tmp_path, body, source={"value_serializer": "json"}):
        await wait_until(lambda: _is(passed(topics), 2), WITHIN)
    assert seen == [{"n": 1}]


async def test_the_worker_takes_sigterm_away(tmp_path: Path) -> None:
    """A loop keeps one handler for each signal: ours is gone once Faust's Worker has installed its own."""
    loop = asyncio.get_running_loop()
    ours: list[str] = []
    loop.add_signal_handler(signal.SIGTERM, ours.append, "ours")
    app = faust.App("worker", broker="kafka://127.0.0.1:9", datadir=tmp_path, web_enabled=False)
    theirs: list[str] = []
    worker = faust.Worker(app, loop=loop, redirect_stdouts=False)
    worker._on_sigterm = lambda: theirs.append("theirs")  # type: ignore[method-assign]
    try:
        worker.install_signal_handlers()
        signal.raise_signal(signal.SIGTERM)
        await wait_until(lambda: ours or theirs, WITHIN)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
            loop.remove_signal_handler(number)
    assert (ours, theirs) == ([], ["theirs"])


DEFAULTS = {
    "broker_session_timeout": 60.0,
    "consumer_auto_offset_reset": "earliest",
    "consumer_group_instance_id": None,
    "producer_request_timeout": 1200.0,
    "stream_buffer_maxsize": 4096,  # records that a flash waits behind, for each partition
    "table_standby_replicas": 1,
    "topic_allow_declare": True,
    "topic_disable_leader": False,
    "web_enabled": True,
}


@pytest.mark.parametrize("setting", DEFAULTS)
def test_a_default_that_we_replace_is_still_what_it_was(setting: str) -> None:
    """And ours is another one."""
    ours = lane_app(KafkaSettings(), Topic.RECEIVED, "group", "member-0", 0.2, 256)
    assert getattr(faust.App("upstream").conf, setting) == DEFAULTS[setting]
    assert getattr(ours.conf, setting) != DEFAULTS[setting]


def test_h8_the_producer_is_not_idempotent_by_itself() -> None:
    """Its extra settings are empty; ours ask for idempotence and all replicas."""
    theirs = Producer(faust.App("upstream").transport)
    ours: Any = lane_app(KafkaSettings(), Topic.RECEIVED, "group", "member-0", 0.2, 256).producer
    assert theirs._settings_extra() == {}
    assert ours._settings_extra() == {"acks": "all", "enable_idempotence": True}


async def test_h11_its_flush_waits_for_what_comes_while_it_waits() -> None:
    """A buffer that is refilled as it drains keeps Faust's flush, and with it every commit, from ever ending."""
    theirs = Producer(faust.App("upstream").transport)
    ours = lane_app(KafkaSettings(), Topic.RECEIVED, "group", "member-0", 0.2, 256).producer
    assert await _is_starved(theirs)
    assert not await _is_starved(ours)


async def _is_starved(producer: Any) -> bool:
    """Whether `flush` is still at work after the buffer has drained twenty times what was in it at the start."""

    class Refilled:
        size = 3
        drained = 0

        async def flush(self) -> None:
            while self.size:
                await self.flush_atmost(self.size)

        async def flush_atmost(self, most: int | None) -> int:
            for _ in range(most or self.size):
                self.drained += 1
                if self.drained > 60:
                    raise _StarvedError
                await asyncio.sleep(0)
            return most or self.size

    producer.buffer = Refilled()
    producer._producer = None
    try:
        await producer.flush()
    except _StarvedError:
        return True
    except Exception:  # noqa: BLE001 - without a broker it fails behind the buffer, which is what is asked about
        return False
    return False


class _StarvedError(Exception):
    """The buffer was drained for longer than anything was waiting."""


async def _is(found: Awaitable[int], wanted: int) -> bool:
    return await found == wanted


async def _more(found: Awaitable[int], than: int) -> bool:
    return await found > than
