"""A broker, the receivers and the real distribution process, with a load that is set or as fast as it goes."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson
from cryptography.fernet import Fernet

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from shared.domain.story import Lane
from shared.platform.provisioning import provision
from shared.platform.publishing import Outgoing, Publisher
from shared.platform.reading import Tail, TopicPartition, end_offsets
from shared.platform.records import Record
from shared.platform.sealing import Sealer
from shared.platform.settings import KafkaSettings
from shared.platform.signature import new_secret
from shared.platform.topics import Topic
from tests.bench.accounts import Account, account
from tests.bench.certificate import certificate_for
from tests.bench.command import Protocol
from tests.bench.delivery.receivers import Receivers, loopback, receivers
from tests.bench.delivery.stories import Group, Ledger, registered, story
from tests.bench.delivery.times import Row, hops, latencies
from tests.bench.machine import resident_mib
from tests.bench.process import service
from tests.bench.releases import record_of
from tests.bench.window import Window
from tests.waiting import wait_until

PACE_S = 0.004
"""Timers of the event loop have a grain of 1 ms; below two of them it would spin."""
REGISTERED_AT_ONCE = 500
SETTLED_WITHIN_S = 120.0
KNOWN_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """One window. Latencies in milliseconds from the release: to the POST at the receiver, to the recorded answer.

    `hops`: the same way in parts, by name.
    """

    per_s: float
    cpu_us: float
    resident_mib: float
    at_receiver: dict[str, list[float]]
    answered: dict[str, list[float]]
    hops: dict[str, list[float]]
    account: Account
    retried: int
    """Rows of tries that failed and are to be repeated, of those that were owed."""
    sampled: int
    unverified: int

    @property
    def sound(self) -> bool:
        """Nothing lost, nothing twice, nothing that could not be verified."""
        return self.account.balances and not self.unverified


@dataclass(slots=True)
class Stage:
    """Distribution under load. `pid` is the process that is measured."""

    kafka: KafkaSettings
    publisher: Publisher
    receivers: Receivers
    pid: int
    hosts: Sequence[str]
    sealed: str
    ledger: Ledger = field(default_factory=Ledger)
    made: int = 0
    owed: int = 0
    """Deliveries that can arrive, released since the start."""

    async def register(self, name: str, endpoints: int, *, behaviour: str = "ok", subscriber: str = "") -> Group:
        """Make endpoints that want the section `name`, and return once distribution must know them."""
        group = Group(name, tuple(f"ep-{name}-{number}" for number in range(endpoints)), behaviour != "hole")
        records = [
            record
            for number, endpoint_id in enumerate(group.endpoint_ids)
            for record in registered(
                endpoint_id,
                subscriber or f"sub-{name}-{number}",
                self.receivers.url(self.hosts[number % len(self.hosts)], behaviour, number),
                name,
                self.sealed,
            )
        ]
        for first in range(0, len(records), REGISTERED_AT_ONCE):
            await self.publisher.publish_all(records[first : first + REGISTERED_AT_ONCE])
        return group

    async def warm(self, group: Group) -> None:
        """Release stories for a group until one arrives: then all that was registered before is known."""
        before = self.receivers.arrived
        await self.put([[group]])
        await wait_until(lambda: self.receivers.arrived > before, KNOWN_WITHIN_S, message="the first delivery")

    async def put(self, targets: Sequence[Sequence[Group]], lane: Lane = Lane.ROUTINE) -> None:
        """Release one story for each of `targets`, and return when the broker has them."""
        await self.publisher.publish_all([self._made(groups, lane) for groups in targets])

    def _made(self, groups: Sequence[Group], lane: Lane) -> Outgoing:
        now = datetime.now(UTC)
        event = story(f"{self.made:08}", groups, lane, now)
        self.made += 1
        self.ledger.released_us[event.story_id] = event.stage_times["released"]
        self.ledger.groups[event.story_id] = tuple(groups)
        self.owed += sum(len(group.endpoint_ids) for group in groups if group.answers)
        return record_of(event)

    async def steady(self, per_s: float, seconds: float, target: "Targets", lane: Lane = Lane.ROUTINE) -> None:
        """Release `per_s` stories a second, each at its own time whatever became of those before it."""
        began, done = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while (now := time.monotonic()) < began + seconds:
                due = int((now - began) * per_s) - done
                if due:
                    group.create_task(self.put([next(target) for _ in range(due)], lane))
                    done += due
                await asyncio.sleep(PACE_S)

    async def flood(self, outstanding: int, seconds: float, target: "Targets") -> None:
        """Release as fast as no more than `outstanding` deliveries are owed at any time."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            batch: list[Sequence[Group]] = []
            room = outstanding - (self.owed - self.receivers.arrived)
            while room > 0:
                batch.append(groups := next(target))
                room -= sum(len(group.endpoint_ids) for group in groups if group.answers)
            if batch:
                await self.put(batch)
            await asyncio.sleep(PACE_S / 2)

    async def run(self, load: Callable[[float], Awaitable[None]], protocol: Protocol) -> Run:
        """Warm up, measure, then wait for all that is owed; the load goes on without a break between the two."""
        await self._forget()
        window = Window(self.pid, lambda: self.receivers.arrived)
        loading = asyncio.ensure_future(load(protocol.warm_up_s + protocol.measured_s))
        await asyncio.sleep(protocol.warm_up_s)
        window.open()
        await asyncio.sleep(protocol.measured_s)
        window.close()
        await loading
        await self.settle()
        return await self._told(window)

    async def settle(self) -> None:
        """Wait until as many have arrived as were owed, or none has for long: then they are lost."""
        last, since = -1, time.monotonic()
        while self.receivers.arrived < self.owed and time.monotonic() < since + SETTLED_WITHIN_S:
            if self.receivers.arrived != last:
                last, since = self.receivers.arrived, time.monotonic()
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # for a copy that should not come

    async def quiet(self, seconds: float = 1.0) -> None:
        """Wait until nothing has arrived for so long."""
        last = -1
        while last != self.receivers.arrived:
            last = self.receivers.arrived
            await asyncio.sleep(seconds)

    async def _forget(self) -> None:
        """Leave out of the account what came before: warming, and the run before this one."""
        await self.settle()
        await self.receivers.written_out()
        self.ledger = Ledger()
        self._attempts_from = await end_offsets(self.kafka, (Topic.ATTEMPTS,))

    _attempts_from: dict[TopicPartition, int] = field(default_factory=dict)

    async def _told(self, window: Window) -> Run:
        arrived = await self.receivers.written_out()
        owed = list(self.ledger.owed())
        counted: dict[str, dict[str, int]] = {}
        for known, group, at in owed:
            if window.holds(at):
                counted.setdefault(group.section, {})[known] = at
        rows = await self._rows()
        answers = [(row.delivery_id, row.times["attempted"]) for row in rows if row.state == "delivered"]
        expected = {known for known, *_ in owed}
        return Run(
            per_s=window.arrived / window.seconds,
            cpu_us=window.cpu_us,
            resident_mib=resident_mib(self.pid),
            at_receiver={name: latencies(of, arrived.deliveries) for name, of in counted.items()},
            answered={name: latencies(of, answers) for name, of in counted.items()},
            hops=hops([row for row in rows if window.holds(row.times.get("released", 0))], arrived.deliveries),
            account=account(expected, (known for known, _ in arrived.deliveries)),
            retried=sum(row.state == "retrying" and row.delivery_id in expected for row in rows),
            sampled=arrived.sampled,
            unverified=arrived.unverified,
        )

    async def _rows(self) -> list["Row"]:
        """What the delivery log has got since the run began."""
        found: list[Row] = []
        async with Tail(self.kafka, (Topic.ATTEMPTS,)) as tail:
            await tail.load(lambda record: found.append(_row(record)), self._attempts_from)
        return found


Targets = Iterator[Sequence[Group]]


def _row(record: Record) -> Row:
    row = orjson.loads(record.value or b"{}")
    return Row(row["data"]["delivery_id"], row["data"]["state"], row["stage_times"], record.timestamp_ms * 1000)


@asynccontextmanager
async def a_stage(
    folder: Path, hosts: int = 100, *, tls: bool = False, under: Sequence[str] = ()
) -> AsyncIterator[Stage]:
    """Everything up and nothing registered; all of it is gone with the block.

    `under`: what Python is told before the service's name; the process then ends as it is asked to, not at once.
    """
    names, secret, key = loopback(hosts), new_secret(), Fernet.generate_key().decode()
    chain = certificate_for(names, folder / "receivers.pem") if tls else None
    async with AsyncExitStack() as opened:
        broker = await opened.enter_async_context(LocalKafka(folder / "kafka"))
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        await provision(kafka, profile="local")
        publisher = await opened.enter_async_context(Publisher(kafka))
        receiving = await opened.enter_async_context(receivers(folder, names, secret, chain))
        allow = ",".join(f"{name}:{receiving.port}" for name in names)
        port = free_port()
        told = {"WIRE_KAFKA": kafka.bootstrap, "WIRE_SECRET_KEY": key, "WIRE_ENDPOINT_ALLOW": allow}
        told["WIRE_OPS_PORT"] = str(port)
        if chain:
            told["SSL_CERT_FILE"] = str(chain)
        pid = await opened.enter_async_context(service("distribution", folder, told, port, under))
        yield Stage(kafka, publisher, receiving, pid, names, Sealer(key).seal(secret))
