"""What can this machine do with nothing but a loop? The bare sender, receiver and worker of the same run."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.kafka import LocalKafka
from shared.platform.signature import new_secret
from tests.bench.command import Protocol
from tests.bench.delivery.bare_worker import BLOCKS, PARTITIONS, ROWS
from tests.bench.delivery.receivers import Receivers, loopback, receivers
from tests.bench.machine import cpu_s

ENDPOINTS = 100
OUTSTANDING = 6_000
BODY = "x" * 1024


@dataclass(frozen=True, slots=True)
class Bare:
    """Deliveries a second of a bare loop, and what each cost it."""

    per_s: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """`receiver` is what the receiving process of the sender's run used; alone it could take 1 / its cost a second."""

    sender: Bare
    receiver: Bare
    worker: Bare


async def yardsticks(folder: Path, protocol: Protocol) -> Yardsticks:
    """Measure all three, one after the other, once."""
    hosts = loopback(ENDPOINTS)
    async with receivers(folder, hosts, new_secret()) as receiving:
        used, before = cpu_s(receiving.pid), receiving.arrived
        sender = await _bare("bare_sender", receiving, hosts, protocol)
        cost = (cpu_s(receiving.pid) - used) / max(1, receiving.arrived - before)
    async with LocalKafka(folder / "bare-kafka") as broker, receivers(folder, hosts, new_secret()) as receiving:
        await _topics(broker.bootstrap)
        async with _blocks(broker.bootstrap, receiving):
            worker = await _bare("bare_worker", receiving, hosts, protocol, "--kafka", broker.bootstrap)
    return Yardsticks(sender, Bare(1 / cost if cost else 0.0, cost * 1e6), worker)


async def _bare(loop: str, receiving: Receivers, hosts: Sequence[str], protocol: Protocol, *more: str) -> Bare:
    options = {"hosts": ",".join(hosts), "port": receiving.port, "warm-up": protocol.warm_up_s}
    options["seconds"] = protocol.measured_s
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.bench.delivery.{loop}", *arguments, *more), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{loop} ended with {process.returncode}")
    posted, seconds, used = json.loads(output)
    return Bare(posted / seconds, used / max(1, posted) * 1e6)


async def _topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (BLOCKS, ROWS)])
    finally:
        await admin.close()


@asynccontextmanager
async def _blocks(bootstrap: str, receiving: Receivers) -> AsyncIterator[None]:
    """Write blocks as fast as no more than `OUTSTANDING` deliveries are owed, while the block lasts."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    writing = asyncio.create_task(_write(producer, receiving))
    try:
        yield
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await producer.stop()


async def _write(producer: AIOKafkaProducer, receiving: Receivers) -> None:
    owed = number = 0
    while True:
        while owed - receiving.arrived < OUTSTANDING:
            for partition in range(PARTITIONS):
                endpoints = [str(each) for each in range(partition, ENDPOINTS, PARTITIONS)]
                block = orjson.dumps({"story": f"s{number}", "body": BODY, "endpoints": endpoints})
                await producer.send(BLOCKS, block, partition=partition)
            owed += ENDPOINTS
            number += 1
        await asyncio.sleep(0.002)
