"""How does one real Kafka broker run on this machine, from its published jars and without a container?"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local import machine
from deploy.local.child import Child, ServerFailed
from deploy.local.ports import LOOPBACK, choose_kafka_ports

_LOG4J2 = Path(__file__).with_name("log4j2.properties")
_LOG4J1 = Path(__file__).with_name("log4j1.properties")  # what Kafka 3.9 reads
# Measured with 100,000 records: 160 MB resident; C1 and the serial collector start 0.5 s sooner than the defaults.
_HEAP = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LARGEST_RECORD = 12 * 1024 * 1024  # the quarantine topic takes 11 MiB; Kafka counts the batch around it too
_FORMAT_WITHIN_S = 60.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={records}

# topics are provisioned, never guessed; one broker holds one copy
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# offsets outlive the longest retention that is read (45 days)
offsets.retention.minutes=64800
message.max.bytes={largest_record}
replica.fetch.max.bytes={largest_record}

# a small broker that is ready at once, and at once again after a kill: without the last two keys the controller
# refuses it until the dead one's session of 9 s has lapsed
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.index.size.max.bytes=1048576
log.initial.task.delay.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=300
"""


def server_properties(port: int, controller_port: int, records: Path) -> str:
    """Return the broker's configuration; `records` is the folder of its log."""
    return _PROPERTIES.format(
        host=LOOPBACK, port=port, controller_port=controller_port, records=records, largest_record=_LARGEST_RECORD
    )


def new_cluster_id() -> str:
    """Return a random cluster id as Kafka writes them, never one its tools would read as an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()).startswith("-"):
        pass
    return text


class LocalKafka:
    """One single-node broker over one data folder; what it holds survives `stop`, `kill` and a new object.

    Not bound to an event loop: it may be started in one and stopped from another.
    """

    def __init__(self, data: Path, port: int | None = None, jars: Path = machine.JARS) -> None:
        """Prepare a broker on `port` if it is free, else on another; None takes any. Touches nothing yet."""
        self.data = data.resolve()
        self.port, self.controller_port = choose_kafka_ports(port)
        self._jars = jars
        self._child = Child("kafka", self.data / "logs" / "broker.out")

    @property
    def bootstrap(self) -> str:
        """What clients connect to: host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs, else None."""
        return self._child.pid

    @property
    def records(self) -> Path:
        """The folder of what it holds."""
        return self.data / "records"

    @property
    def log_file(self) -> Path:
        """The broker's own log; what it prints before that stands beside it in broker.out."""
        return self.data / "logs" / "server.log"

    async def start(self) -> None:
        """Start the broker, formatting an empty data folder first; it can take work after `ready`.

        Raises `Missing` without Java or jars, `ServerFailed` if it runs already or cannot be formatted.
        """
        java, jars = machine.java(), machine.broker_jars(self._jars)
        self._write_properties()
        if not (self.records / "meta.properties").is_file():
            await self._format(java, jars)
        self._child.start(self._command(java, jars, "kafka.Kafka", self._properties))

    async def ready(self, within: float = 30.0) -> None:
        """Wait until this broker, no other on its port, serves metadata with a leader for every partition.

        Raises `ServerFailed` if it ends first or is not ready after `within` seconds.
        """
        deadline = time.monotonic() + within
        cluster_id = self._cluster_id()
        while not (await _listens(self.port) and await _serves(self.bootstrap, cluster_id)):
            if not self._child.running:
                raise ServerFailed(f"kafka ended while starting: {self._child.last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"kafka is not ready after {within:.0f} s; its log is {self.log_file}")
            await asyncio.sleep(0.05)

    async def ended(self) -> int:
        """Wait until the broker's process has ended, for whatever reason; return its exit code."""
        return await self._child.ended()

    async def stop(self, within: float = 10.0) -> None:
        """Stop the broker cleanly, by force after `within` seconds. May be repeated."""
        await self._child.stop(within)

    async def kill(self) -> None:
        """Kill the broker at once, as a crash would. May be repeated."""
        await self._child.kill()

    async def __aenter__(self) -> Self:
        """Start the broker and wait until it is ready."""
        try:
            await self.start()
            await self.ready()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    def _cluster_id(self) -> str:
        lines = (self.records / "meta.properties").read_text().splitlines()
        return next(line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id="))

    def _write_properties(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(server_properties(self.port, self.controller_port, self.records))

    def _command(self, java: Path, jars: Path, main: str, *arguments: str | Path) -> list[str | Path]:
        logging = (
            f"-Dkafka.logs.dir={self.data / 'logs'}",
            f"-Dlog4j2.configurationFile={_LOG4J2}",
            f"-Dlog4j.configuration={_LOG4J1.as_uri()}",
        )
        network = ("-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true")
        return [java, *_HEAP, *network, *logging, "-cp", f"{jars}/*", main, *arguments]

    async def _format(self, java: Path, jars: Path) -> None:
        tool = Child("kafka format", self.data / "logs" / "format.out")
        arguments = ("format", "-t", new_cluster_id(), "-c", self._properties)
        tool.start(self._command(java, jars, "kafka.tools.StorageTool", *arguments))
        try:
            code = await asyncio.wait_for(tool.ended(), _FORMAT_WITHIN_S)
        finally:
            await tool.kill()
        if code != 0:
            raise ServerFailed(f"the data folder {self.records} cannot be formatted: {tool.last_words()}")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _serves(bootstrap: str, cluster_id: str) -> bool:
    """Tell whether our broker has left its fence: only then is it listed, and do its partitions have leaders."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        topics = await admin.describe_topics()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    led = all(partition["leader"] >= 0 for topic in topics for partition in topic["partitions"])
    return cluster["cluster_id"] == cluster_id and bool(cluster["brokers"]) and cluster["controller_id"] >= 0 and led
