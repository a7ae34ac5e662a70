"""`python -m tests.bench.delivery.bare_worker`: the smallest process that does a delivery worker's work.

Blocks from Kafka (one body and some endpoints each), a signed POST for every endpoint, one attempt record for every
POST, offsets committed behind what is recorded. No gate, no registry, no retry: what the product is measured against.
Prints one line: POSTs in the measured time, seconds, seconds of CPU.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.platform.signature import new_secret, parse_secret
from tests.bench.delivery.posting import Line, line_to

BLOCKS, ROWS = "bare.blocks", "bare.rows"
PARTITIONS = 6
COMMIT_EVERY_S = 0.5
LINGER_MS = 2
AHEAD = 4_000
"""Deliveries in memory beyond which no more blocks are read."""


class Block:
    """A record in hand: it is done when the last of its rows is confirmed."""

    __slots__ = ("body", "left", "offset", "partition", "story")

    def __init__(self, partition: int, offset: int, story: str, body: bytes, left: int) -> None:
        self.partition, self.offset, self.story, self.body, self.left = partition, offset, story, body, left


class Worker:
    """Queues per endpoint, rows to be written, and how far each partition is done."""

    def __init__(self, consumer: Any, producer: Any) -> None:
        self._consumer = consumer
        self._producer = producer
        self._free: dict[str, Line[tuple[Block, str]]] = {}
        self._queues: dict[str, deque[Block]] = {}
        self._rows: deque[tuple[Block, bytes]] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._open: dict[int, deque[Block]] = {number: deque() for number in range(PARTITIONS)}
        self.waiting = 0
        self.posted = 0

    async def connect(self, hosts: Sequence[str], port: int) -> None:
        key = parse_secret(new_secret()).key
        for number, host in enumerate(hosts):
            endpoint = str(number)
            self._queues[endpoint] = deque()
            self._free[endpoint] = await line_to(host, port, f"/ok/{number}", key, self._answered)

    async def take(self) -> None:
        """Read blocks, and put what they owe into the queues."""
        while True:
            for partition, records in (await self._consumer.getmany(timeout_ms=200, max_records=50)).items():
                for record in records:
                    self._expand(partition.partition, record.offset, orjson.loads(record.value))
            if self.waiting > AHEAD:
                self._room.clear()
                await self._room.wait()

    def _expand(self, partition: int, offset: int, told: dict[str, Any]) -> None:
        block = Block(partition, offset, told["story"], told["body"].encode(), len(told["endpoints"]))
        self._open[partition].append(block)
        for endpoint in told["endpoints"]:
            self.waiting += 1
            if (line := self._free.pop(endpoint, None)) is None:
                self._queues[endpoint].append(block)
            else:
                self._post(line, block, endpoint)

    def _post(self, line: Line[tuple[Block, str]], block: Block, endpoint: str) -> None:
        line.post(f"{block.story}.{endpoint}", block.body, (block, endpoint))

    def _answered(self, line: Line[tuple[Block, str]], posted: tuple[Block, str], status: int) -> None:
        block, endpoint = posted
        self.waiting -= 1
        self.posted += 1
        if self.waiting == AHEAD:
            self._room.set()
        row = {"story": block.story, "endpoint": endpoint, "status": status, "at": time.time_ns() // 1000}
        self._rows.append((block, orjson.dumps(row)))
        self._some.set()
        if queue := self._queues[endpoint]:
            self._post(line, queue.popleft(), endpoint)
        else:
            self._free[endpoint] = line

    async def record(self) -> None:
        """Write the rows, one record each."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._rows:
                block, row = self._rows.popleft()
                written = await self._producer.send(ROWS, row, partition=block.partition)
                written.add_done_callback(partial(self._recorded, block))

    def _recorded(self, block: Block, written: "asyncio.Future[Any]") -> None:
        written.result()
        block.left -= 1

    async def commit(self) -> None:
        """Let the offsets of blocks pass that are done, in order."""
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            passed: dict[TopicPartition, int] = {}
            for partition, blocks in self._open.items():
                while blocks and not blocks[0].left:
                    passed[TopicPartition(BLOCKS, partition)] = blocks.popleft().offset + 1
            if passed:
                await self._consumer.commit(passed)


async def measure(bootstrap: str, hosts: list[str], port: int, warm_up_s: float, seconds: float) -> list[float]:
    consumer = AIOKafkaConsumer(
        BLOCKS,
        bootstrap_servers=bootstrap,
        group_id="bare",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=LINGER_MS, max_batch_size=131_072
    )
    await consumer.start()
    await producer.start()
    worker = Worker(consumer, producer)
    await worker.connect(hosts, port)
    running = [asyncio.create_task(job) for job in (worker.take(), worker.record(), worker.commit())]
    began = asyncio.create_task(asyncio.sleep(warm_up_s))
    await asyncio.wait([began, *running], return_when=asyncio.FIRST_COMPLETED)
    posted, since, used = worker.posted, time.monotonic(), time.process_time()
    await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    told = [worker.posted - posted, time.monotonic() - since, time.process_time() - used]
    for task in running:
        task.cancel()
    for ended in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    await consumer.stop()
    await producer.stop()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.delivery.bare_worker")
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--hosts", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(measure(asked.kafka, asked.hosts.split(","), asked.port, asked.warm_up, asked.seconds))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
