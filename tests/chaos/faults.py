"""What is done to a wire, fault by fault, and how does each know that it took effect?"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from deploy.local import machine
from deploy.local.child import ServerFailed
from shared.platform.redis import connect
from shared.platform.topics import Topic
from tests.chaos import poison
from tests.chaos.instance import KAFKA, LOOK_EVERY_S, REDIS, ChaosWire, NotHealthy
from tests.chaos.points import before
from tests.chaos.reins import Life
from tests.chaos.schedule import Kind, Planned

STOPS_WITHIN_S = 25.0
HIT_WITHIN_S = 20.0
"""Seconds an armed service has, once it is ready, to come to its point."""
STARTS_WITHIN_S = 30.0
AHEAD_S = 90
REFUSALS = 1_000


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of a fault: whether it took, which process it killed, which ends were asked for, who was hurt.

    `hurt` names who must be able to work again before the fault is over; empty means everybody. `complaint` says what
    the wire did wrong under it, in words.
    """

    took: bool = True
    note: str = ""
    complaint: str = ""
    killed: Life | None = None
    asked: tuple[Life, ...] = ()
    hurt: tuple[str, ...] = ()


Inflict = Callable[[ChaosWire, Planned], Awaitable[Effect]]


async def killed(wire: ChaosWire, one: Planned) -> Effect:
    """kill -9 of a service."""
    await _runs(wire, one.target)
    life = wire.kill(one.target)
    await _ended(life, STOPS_WITHIN_S)
    return Effect(killed=life, asked=(life,), hurt=(one.target,))


async def terminated(wire: ChaosWire, one: Planned) -> Effect:
    """SIGTERM to a service; one that does not stop is killed, and that is told."""
    await _runs(wire, one.target)
    life = await _stopped(wire, one.target)
    complaint = "" if life.code == 0 else f"asked to stop, it ended with {life.code}"
    return Effect(complaint=complaint, killed=life, asked=(life,), hurt=(one.target,))


async def at_failpoint(wire: ChaosWire, one: Planned) -> Effect:
    """A service restarts armed and dies at the point; the next life is an ordinary one.

    When it does not come to its point in time it is restarted unarmed, and the fault does not count.
    """
    await _runs(wire, one.target)
    wire.arm(one.target, one.point, one.nth)
    unarmed = await _stopped(wire, one.target)
    armed = await _next_life(wire, unarmed)
    await _comes_to_its_point(wire, armed)
    if (hit := wire.hit(one.target)) is not None:
        await _ended(armed, STOPS_WITHIN_S)
        return Effect(note=hit, killed=armed, asked=(unarmed, armed), hurt=(one.target,))
    if armed.ended is not None:
        return Effect(
            took=False, note=f"ended with {armed.code} before its point", asked=(unarmed,), hurt=(one.target,)
        )
    after = await _stopped(wire, one.target)
    return Effect(took=False, note="never came to its point", asked=(unarmed, after), hurt=(one.target,))


async def zombie(wire: ChaosWire, one: Planned) -> Effect:
    """A service stands still for longer than its session and then goes on as if nothing had been."""
    await _runs(wire, one.target)
    with wire.paused(one.target) as life:
        await asyncio.sleep(one.seconds)
    return Effect(took=life.ended is None, asked=(life,), hurt=(one.target,))


async def second_copy(wire: ChaosWire, one: Planned) -> Effect:
    """Another copy of a service joins, works for a while, and leaves."""
    name = await wire.add(one.target)
    ready_in = (wire.life(name).ready or 0.0) - wire.life(name).started
    try:
        await asyncio.sleep(one.seconds)
        unready = (await wire.unready()).get(name, "")
    finally:
        life = await wire.take_away(name)
    complaint = f"the copy was not ready at its end: {unready}" if unready else ""
    return Effect(note=f"ready in {ready_in:.1f} s", complaint=complaint, asked=(life,), hurt=(one.target,))


async def clock_ahead(wire: ChaosWire, one: Planned) -> Effect:
    """A service runs with its clock ahead: it says that it is not ready, and why; then it runs with the right one."""
    await _runs(wire, one.target)
    wire.tell(one.target, _ahead(AHEAD_S))
    try:
        true = await _stopped(wire, one.target)
        misled = await _next_life(wire, true)
        noticed = await _says(wire, one.target, "clock", STARTS_WITHIN_S)
        await asyncio.sleep(one.seconds)
    finally:
        wire.tell(one.target, {})
    after = await _stopped(wire, one.target)
    complaint = "it was ready for a time" if misled.ready is not None else ""
    note = "" if noticed else "it did not say that its clock is off"
    return Effect(took=noticed, note=note, complaint=complaint, asked=(true, after), hurt=(one.target,))


async def broker_stopped(wire: ChaosWire, one: Planned) -> Effect:
    """The broker stops cleanly and stays away."""
    return await _away(wire, KAFKA, signal.SIGTERM, one.seconds)


async def broker_killed(wire: ChaosWire, one: Planned) -> Effect:
    """kill -9 of the broker, which stays away."""
    return await _away(wire, KAFKA, signal.SIGKILL, one.seconds)


async def disk_full(wire: ChaosWire, one: Planned) -> Effect:
    """The broker's disk has no byte left for a while; nothing but that small disk is ever filled.

    Where the broker has no small disk, ingest meets a broker that refuses every record instead.
    """
    if wire.disk is None:
        return await _refused(wire, one.seconds)
    known = len(wire.lives)
    life = wire.life(KAFKA)
    with wire.disk.full():
        await asyncio.sleep(one.seconds)
        in_vain = [one for one in wire.lives[known:] if one.name == KAFKA]
    note = "the broker lived on" if life.ended is None else f"the broker ended with {life.code}"
    return Effect(took=wire.disk.was_full, note=note, asked=(life, *in_vain))


async def redis_flushed(wire: ChaosWire, one: Planned) -> Effect:
    """FLUSHALL."""
    redis = connect(wire.redis.url)
    try:
        held = await redis.dbsize()
        await redis.flushall()
    finally:
        await redis.aclose()
    return Effect(took=held > 0, note=f"{held} keys")


async def redis_killed(wire: ChaosWire, one: Planned) -> Effect:
    """kill -9 of Redis, which comes back at once and empty."""
    life = wire.kill(REDIS)
    await _ended(life, STOPS_WITHIN_S)
    return Effect(killed=life, asked=(life,))


async def redis_away(wire: ChaosWire, one: Planned) -> Effect:
    """kill -9 of Redis, which stays away and comes back empty."""
    return await _away(wire, REDIS, signal.SIGKILL, one.seconds)


async def poisoned(wire: ChaosWire, one: Planned) -> Effect:
    """One kind of poison on every topic; what must be parked is, and nobody ends of it."""
    kind = poison.Poison(one.point)
    put = await poison.put(wire.kafka.bootstrap, kind)
    missing = await poison.not_parked(wire.kafka.bootstrap, kind, put)
    complaint = f"not parked: {[place.topic.value for place in missing]}" if missing else ""
    return Effect(took=bool(put), note=f"{len(put)} records", complaint=complaint)


FAULTS: Mapping[Kind, Inflict] = {
    Kind.KILL: killed,
    Kind.TERM: terminated,
    Kind.FAILPOINT: at_failpoint,
    Kind.ZOMBIE: zombie,
    Kind.SECOND: second_copy,
    Kind.CLOCK: clock_ahead,
    Kind.BROKER_STOPPED: broker_stopped,
    Kind.BROKER_KILLED: broker_killed,
    Kind.DISK_FULL: disk_full,
    Kind.REDIS_FLUSHED: redis_flushed,
    Kind.REDIS_KILLED: redis_killed,
    Kind.REDIS_AWAY: redis_away,
    Kind.POISON: poisoned,
}
FAILED = (NotHealthy, ServerFailed, ProcessLookupError, machine.Missing, TimeoutError, KafkaError, RedisError)
"""What a fault raises when it could not be inflicted."""


async def _away(wire: ChaosWire, name: str, how: signal.Signals, seconds: float) -> Effect:
    async with wire.away(name, how) as life:
        await asyncio.sleep(seconds)
        took = life.ended is not None and wire.life(name) is life
    return Effect(took=took, killed=life, asked=(life,))


async def _refused(wire: ChaosWire, seconds: float) -> Effect:
    wire.arm("ingest", before(Topic.RECEIVED), action="fail", times=REFUSALS)
    armed = await _stopped(wire, "ingest")
    await asyncio.sleep(seconds)
    hit = wire.hit("ingest") is not None
    refusing = await _stopped(wire, "ingest")
    note = "no small disk can be mounted here: what ingest produces was refused instead"
    return Effect(took=hit, note=note, asked=(armed, refusing), hurt=("ingest",))


async def _runs(wire: ChaosWire, name: str) -> None:
    """Wait for a process that can be hurt: one that is being started again is given time for it."""
    await wire.healthy(name, within=STARTS_WITHIN_S)


async def _stopped(wire: ChaosWire, name: str) -> Life:
    """SIGTERM, and SIGKILL when that does not help in time."""
    life = wire.terminate(name)
    try:
        await _ended(life, STOPS_WITHIN_S)
    except TimeoutError:
        wire.kill(name)
        await _ended(life, STOPS_WITHIN_S)
    return life


async def _ended(life: Life, within: float) -> None:
    async with asyncio.timeout(within):
        while life.ended is None:  # noqa: ASYNC110 - the supervisor notes it
            await asyncio.sleep(LOOK_EVERY_S / 2)


async def _next_life(wire: ChaosWire, life: Life) -> Life:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while (newest := wire.life(life.name)) is life:  # noqa: ASYNC110 - the supervisor starts it
            await asyncio.sleep(LOOK_EVERY_S / 2)
    return newest


async def _comes_to_its_point(wire: ChaosWire, armed: Life) -> None:
    """Wait until it does, or ends otherwise, or has had its time."""
    deadline = time.time() + STARTS_WITHIN_S + HIT_WITHIN_S
    while wire.hit(armed.name) is None and armed.ended is None and time.time() < deadline:
        if armed.ready is not None:
            deadline = min(deadline, armed.ready + HIT_WITHIN_S)
        await asyncio.sleep(LOOK_EVERY_S)


async def _says(wire: ChaosWire, name: str, word: str, within: float) -> bool:
    """Whether the reasons for which it is not ready come to hold that word."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if word in (await wire.unready()).get(name, ""):
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False


def _ahead(seconds: int) -> dict[str, str]:
    """What makes a process see the time so much ahead; its monotonic clock stays true."""
    return {
        "LD_PRELOAD": str(machine.faketime()),
        "FAKETIME": f"+{seconds}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
