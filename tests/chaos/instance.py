"""How does a tester hold a whole wire in its hands: kill, pause, deafen, double and mislead any process of it?

The wire is made of the pieces of `make run`, under the same supervisor, but in this process: what ends is started
again as it is there, unless the tester holds it back.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2

from deploy.local import accounts, instance, layout, runner
from deploy.local.instance import Instance
from deploy.local.kafka import LocalKafka
from deploy.local.layout import Service
from deploy.local.redis import LocalRedis
from deploy.local.supervisor import READY_WITHIN_S, ServiceProcess, Supervisor
from shared.platform.provisioning import provision
from shared.platform.settings import KafkaSettings
from tests.chaos.disk import SmallDisk, small_disk_if_possible
from tests.chaos.guardian import ended_by_sigterm, guarded
from tests.chaos.placing import allowing, free_ports, second, told_so
from tests.chaos.reins import Life, Reined
from tests.journeys.instance import Wire
from tests.standing_still import standing_still

KAFKA, REDIS = "kafka", "redis"
RECEIVERS = 24
"""How many ports receivers may listen on: distribution calls loopback only where its settings name the port."""
HEALTHY_WITHIN_S = 90.0
LEAVES_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1


class NotHealthy(Exception):
    """A process could not take work in time; the message names each with its reason."""


@dataclass(slots=True)
class ChaosWire:
    """A running wire. Processes go by their names in `make run`; a second copy of `moderation` is `moderation-2`.

    `wire` is the same instance as the journeys' people know it: `Desk(chaos.wire)`, `Subscriber(chaos.wire)`.
    `lives` is every process that was ever started, oldest first.
    """

    wire: Wire
    kafka: LocalKafka
    redis: LocalRedis
    supervisor: Supervisor
    services: dict[str, Service]
    lives: list[Life]
    failpoints: Path
    disk: SmallDisk | None = None
    _reins: dict[str, Reined] = field(default_factory=dict)
    _told: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every service that is meant to run now, second copies included; not the broker, not Redis."""
        return tuple(self.services)

    def pid(self, name: str) -> int:
        """The process of that name; raises ProcessLookupError while there is none."""
        pid = self._reins[name].pid
        if pid is None:
            raise ProcessLookupError(f"{name} is not running")
        return pid

    def life(self, name: str) -> Life:
        """The newest life of that name."""
        return next(life for life in reversed(self.lives) if life.name == name)

    # What may be done to a process

    def kill(self, name: str) -> Life:
        """SIGKILL; the supervisor starts it again. Returns the life that this ends."""
        return self._signal(name, signal.SIGKILL)

    def terminate(self, name: str) -> Life:
        """SIGTERM; the supervisor starts it again. Returns the life that this ends."""
        return self._signal(name, signal.SIGTERM)

    @contextmanager
    def paused(self, name: str) -> Iterator[Life]:
        """Stop a process where it is while the block lasts; it keeps its connections."""
        life = self.life(name)
        with standing_still(self.pid(name)):
            yield life

    @asynccontextmanager
    async def away(self, name: str, how: signal.Signals = signal.SIGKILL) -> AsyncIterator[Life]:
        """End a process (the broker and Redis too) and keep it from being started again while the block lasts."""
        self._reins[name].hold()
        try:
            life = self._signal(name, how)
            await self._until_ended(life, LEAVES_WITHIN_S)
            yield life
        finally:
            self._reins[name].let_go()

    def arm(self, name: str, point: str, nth: int = 1, action: str = "kill", times: int = 1) -> None:
        """Let the next process of that name do `action` at the `nth` passing of `point`; it is told at its start.

        `times`: and at so many passings in all, one after another.
        """
        self.failpoints.mkdir(exist_ok=True)
        for old in self.failpoints.glob(f"{name}.*"):
            old.unlink(missing_ok=True)
        lines = [f"{point} {number} {action}\n" for number in range(nth, nth + times)]
        (self.failpoints / name).write_text("".join(lines))

    def hit(self, name: str) -> str | None:
        """The point that the armed process has come to, if it has."""
        try:
            return (self.failpoints / f"{name}.hit").read_text().strip()
        except FileNotFoundError:
            return None

    def let_pass(self, name: str) -> None:
        """Let a process go on that waits at a point by `hold`."""
        (self.failpoints / f"{name}.go").touch()

    def tell(self, name: str, settings: Mapping[str, str]) -> None:
        """Put these variables into the environment of the next process of that name; {} takes them back."""
        self._told[name] = dict(settings)

    async def restart(self, name: str, within: float = READY_WITHIN_S) -> Life:
        """Stop a process as a planned restart does and wait until the next one is ready; returns its life."""
        return await self.successor(self.terminate(name), within)

    async def successor(self, life: Life, within: float = READY_WITHIN_S) -> Life:
        """Wait until a process of the same name is ready that began after `life`; raises NotHealthy."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            newest = self.life(life.name)
            if newest is not life and newest.ready is not None and newest.ended is None:
                return newest
            await asyncio.sleep(LOOK_EVERY_S)
        raise NotHealthy(f"{life.name} did not come back within {within:g} s: {await self._reason(life.name)}")

    async def add(self, name: str) -> str:
        """Start a second copy of a service with an instance number and a port of its own; returns its name."""
        copy = second(self.services[name])
        self._adopt(copy)
        try:
            await self.supervisor.bring_up({copy.name: self._reins[copy.name]})
        except BaseException:
            await self._reins[copy.name].kill()
            self.supervisor.servers.pop(copy.name, None)
            del self.services[copy.name]
            raise
        return copy.name

    async def take_away(self, name: str) -> Life:
        """Stop a second copy for good; returns its last life."""
        self.services.pop(name)
        life = self.life(name)
        await self.supervisor.take_down(name, LEAVES_WITHIN_S)
        life.ended = life.ended or time.time()
        return life

    # How it fares

    async def unready(self, *names: str) -> dict[str, str]:
        """Those of the named (or all) that cannot take work now, with the reason each gives; empty when all can."""
        names = names or (KAFKA, REDIS, *self.names)
        reasons = dict(zip(names, await asyncio.gather(*map(self._reason, names)), strict=True))
        return {name: reason for name, reason in reasons.items() if reason}

    async def healthy(self, *names: str, within: float = HEALTHY_WITHIN_S) -> float:
        """Wait until those named (or all) can take work; returns the epoch seconds of that. Raises NotHealthy."""
        deadline = time.monotonic() + within
        while unready := await self.unready(*names):
            if time.monotonic() > deadline:
                raise NotHealthy(f"not healthy after {within:g} s: {unready}")
            await asyncio.sleep(LOOK_EVERY_S)
        return time.time()

    async def _reason(self, name: str) -> str:
        """Why it cannot take work now; empty when it can."""
        if self._reins[name].pid is None:
            return "it does not run"
        if name in (KAFKA, REDIS):
            newest = self.life(name)
            return "" if newest.ready is not None and newest.ended is None else "it is starting"
        try:
            async with httpx2.AsyncClient(timeout=2.0) as client:
                answer = await client.get(self.services[name].ready_url)
        except httpx2.TransportError as error:
            return f"it does not answer ({type(error).__name__})"
        return "" if answer.status_code == 200 else answer.text[:300]

    # Behind it

    def _signal(self, name: str, how: signal.Signals) -> Life:
        life = self.life(name)
        os.kill(self.pid(name), how)
        return life

    async def _until_ended(self, life: Life, within: float) -> None:
        deadline = time.monotonic() + within
        while self._reins[life.name].pid == life.pid:
            if time.monotonic() > deadline:
                os.kill(life.pid, signal.SIGKILL)
                deadline = float("inf")
            await asyncio.sleep(LOOK_EVERY_S / 5)

    def _adopt(self, service: Service) -> None:
        """Make a service startable: told at every start what it is to be told then."""
        process = ServiceProcess(service, self.wire.data / "logs")
        rein = Reined(service.name, process, self.lives)

        def tell() -> None:
            told = {**service.environment, **self._told.get(service.name, {})}
            process.service = replace(service, environment=told)

        rein.before_start = tell
        self._reins[service.name] = rein
        self.services[service.name] = service

    def _save(self, known: Instance) -> None:
        instance.save(self.wire.data, replace(known, pids=self.supervisor.pids()))

    async def _rise(self, services: Sequence[Service], secrets: Mapping[str, str]) -> None:
        for name, server in ((KAFKA, self.kafka), (REDIS, self.redis)):
            self._reins[name] = Reined(name, server, self.lives)
        young = Instance("", "", "", self.kafka.bootstrap, self.redis.url, runner=os.getpid())
        self.supervisor.changed = lambda: self._save(young)
        await self.supervisor.bring_up({name: self._reins[name] for name in (KAFKA, REDIS)})
        await provision(KafkaSettings(bootstrap=self.kafka.bootstrap), profile="local")
        for service in services:
            self._adopt(service)
        await self.supervisor.bring_up({name: self._reins[name] for name in self.services})
        gateway = self.services["gateway"].url
        keys = await accounts.ensure_keys(gateway, secrets["operator"], instance.kept_keys(self.wire.data))
        instance.keep_keys(self.wire.data, keys)
        known = replace(
            young,
            gateway=gateway,
            ingest=self.services["ingest"].url,
            monitor=self.services["monitor"].url,
            keys={**keys, "operator": secrets["operator"]},
        )
        self.supervisor.changed = lambda: self._save(known)
        self._save(known)

    async def _fall(self) -> None:
        """End everything; what stands still or is held back too."""
        for name, pid in self.supervisor.pids().items():
            self._reins[name].hold()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        seconds = [name for name in self.services if name.endswith("-2")]
        await self.supervisor.stop((seconds, *runner.STOP_ORDER))
        instance.forget(self.wire.data)


@asynccontextmanager
async def chaos_wire(
    data: Path,
    *,
    settings: Mapping[str, str] | None = None,
    commands: Mapping[str, Sequence[str]] | None = None,
    own_disk: bool = False,
) -> AsyncIterator[ChaosWire]:
    """Run a whole wire with its state in `data` while the block lasts, on ports nobody uses.

    `settings` goes into the environment of every service. `commands` replaces what is run as a service, by its name:
    the words after `python -m`. `own_disk` puts the broker's records on a small disk of their own, which can be filled
    (`disk` is None where none can be mounted). Nothing is left running, however this process ends; SIGTERM ends the
    block as Ctrl-C does. Raises `Missing` without Java or Redis, `ServerFailed` when a service does not come up.
    """
    with instance.take(data), ended_by_sigterm(), guarded(data):
        ports, receivers = free_ports(RECEIVERS)
        kafka, redis = LocalKafka(data / KAFKA, ports.kafka), LocalRedis(data / REDIS, ports.redis)
        secrets, failpoints = instance.kept_secrets(data), data / "failpoints"
        told = {"WIRE_ENDPOINT_ALLOW": allowing(receivers), "WIRE_FAILPOINTS": str(failpoints), **(settings or {})}
        services = [
            told_so(one, told, (commands or {}).get(one.name))
            for one in layout.services(ports, kafka.bootstrap, redis.url, secrets)
        ]
        log = data / "logs" / "runner.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", buffering=1) as say:
            supervisor = Supervisor(lambda line: print(line, file=say))
            with small_disk_if_possible(kafka.records) if own_disk else nullcontext() as disk:
                chaos = ChaosWire(Wire(data, receivers), kafka, redis, supervisor, {}, [], failpoints, disk)
                try:
                    await chaos._rise(services, secrets)
                    yield chaos
                finally:
                    await chaos._fall()
