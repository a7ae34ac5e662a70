"""What was really inflicted, on whom, and when was everything healthy again without a human?"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.chaos.faults import FAILED, FAULTS, Effect
from tests.chaos.instance import ChaosWire, NotHealthy
from tests.chaos.reins import Life
from tests.chaos.schedule import APART_S, BROKER_AWAY, KAFKA, PROCESS_KILLS, REDIS, SERVICES, Kind, Planned

RECOVERS_WITHIN_S = 120.0
NO_LATER_THAN_S = 30.0
"""A fault that would begin so much later than planned is left out."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that was tried; times in epoch seconds.

    `took` is false when it had no effect (a failpoint that was never come to): it does not count. `healthy_again` is
    None when somebody would have had to help. `recovery` is the time from the restart of what it killed until that
    was ready to work on its partitions again; None where nothing was restarted. `complaint` is what the wire did wrong
    under it, in words.
    """

    planned: Planned
    began: float
    ended: float
    took: bool
    healthy_again: float | None
    recovery: float | None
    note: str = ""
    complaint: str = ""

    @property
    def kind(self) -> Kind:
        return self.planned.kind

    @property
    def target(self) -> str:
        return self.planned.target


@dataclass(slots=True)
class FaultBook:
    """All faults of a run, and the processes that ended without being asked to: by themselves, to start afresh."""

    faults: list[Fault] = field(default_factory=list)
    left_out: list[Planned] = field(default_factory=list)
    unasked: list[Life] = field(default_factory=list)

    def taken(self) -> list[Fault]:
        """The faults that count."""
        return [fault for fault in self.faults if fault.took]

    def without_effect(self) -> list[Fault]:
        return [fault for fault in self.faults if not fault.took]

    def not_healthy(self) -> list[Fault]:
        """After these a human would have been needed."""
        return [fault for fault in self.faults if fault.healthy_again is None]

    def complaints(self) -> list[Fault]:
        """Under these the wire did something it must not."""
        return [fault for fault in self.faults if fault.complaint]

    def unexplained(self, after: float = 15.0) -> list[Life]:
        """Processes that ended unasked while no fault was in force, nor had been shortly before."""
        return [life for life in self.unasked if not self.in_force(life.ended or 0.0, after)]

    def count(self) -> Counter[Kind]:
        """How many of each kind count."""
        return Counter(fault.kind for fault in self.taken())

    def kills(self) -> int:
        """How many process kills count."""
        return sum(fault.kind in PROCESS_KILLS for fault in self.taken())

    def recoveries(self) -> list[float]:
        """Recovery times of killed services, ascending, without those that had to wait for the broker as well."""
        outages = [(one.began, one.healthy_again or one.ended) for one in self.taken() if one.kind in BROKER_AWAY]
        return sorted(
            fault.recovery
            for fault in self.taken()
            if fault.kind in PROCESS_KILLS and fault.recovery is not None
            if not any(began < (fault.healthy_again or fault.ended) and fault.began < over for began, over in outages)
        )

    def in_force(self, moment: float, after: float = 0.0) -> bool:
        """Whether some fault was in force at that time (epoch seconds), or had ended less than `after` before."""
        return any(fault.began <= moment <= (fault.healthy_again or fault.ended) + after for fault in self.taken())


async def inflict(wire: ChaosWire, plan: Sequence[Planned], book: FaultBook) -> None:
    """Inflict every fault of the plan at its time, counted from now, and enter each into the book.

    Different services may suffer at once; what happens to one service happens one after the other, kills at least
    12 s apart. Returns when all are over and healthy again, or were given up.
    """
    turns, began = _Turns(), time.time()
    async with asyncio.TaskGroup() as group:
        for one in sorted(plan):
            group.create_task(_in_time(wire, one, book, began + one.at, turns))
    over = [life for life in wire.lives if life.ended is not None and life.ended >= began]
    book.unasked += [life for life in over if id(life) not in turns.asked]


class _Turns:
    """One fault at a time for each target, and a distance between the kills of one."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._killed_at: dict[str, float] = {}
        self.asked: set[int] = set()

    @asynccontextmanager
    async def turn(self, target: str) -> AsyncIterator[None]:
        async with self._locks[target]:
            await asyncio.sleep(self._killed_at.get(target, 0.0) + APART_S - time.time())
            yield

    def note(self, effect: Effect) -> None:
        self.asked |= {id(life) for life in effect.asked}
        for life in effect.asked:
            self._killed_at[life.name] = life.ended or time.time()


async def _in_time(wire: ChaosWire, one: Planned, book: FaultBook, due: float, turns: _Turns) -> None:
    await asyncio.sleep(due - time.time())
    async with turns.turn(one.target):
        if time.time() > due + NO_LATER_THAN_S:
            book.left_out.append(one)
            return
        began = time.time()
        try:
            effect = await FAULTS[one.kind](wire, one)
        except FAILED as error:
            effect = Effect(took=False, note=f"{type(error).__name__}: {error}")
        turns.note(effect)
        ended = time.time()
        healthy_again, why = await _healthy(wire, effect)
        recovery = _recovery(wire, effect) if healthy_again else None
        note = "; ".join(filter(None, (effect.note, why)))
        book.faults.append(Fault(one, began, ended, effect.took, healthy_again, recovery, note, effect.complaint))


async def _healthy(wire: ChaosWire, effect: Effect) -> tuple[float | None, str]:
    """When those it hurt could work again, or why they cannot."""
    try:
        if effect.killed is not None:
            await wire.successor(effect.killed, RECOVERS_WITHIN_S)
        # each by itself: in a mixed run somebody else is always just being killed
        names = effect.hurt or (KAFKA, REDIS, *SERVICES)
        return max(await asyncio.gather(*(wire.healthy(name, within=RECOVERS_WITHIN_S) for name in names))), ""
    except NotHealthy as error:
        return None, str(error)


def told(book: FaultBook) -> str:
    """The book as people read it: a line per fault, then what did not count and what went wrong."""
    lines = []
    for fault in sorted(book.faults, key=lambda one: one.began):
        healthy = "never" if fault.healthy_again is None else f"{fault.healthy_again - fault.ended:.1f} s"
        recovery = "" if fault.recovery is None else f"recovered in {fault.recovery:.1f} s"
        words = "; ".join(filter(None, (recovery, fault.planned.point, fault.note, fault.complaint)))
        took = "" if fault.took else "NO EFFECT "
        lines.append(
            f"{fault.planned.at:8.1f} s  {fault.kind:<15} {fault.target:<13} healthy after {healthy:>8}  {took}{words}"
        )
    lines += [f"left out: {one.kind} {one.target} planned at {one.at:g} s" for one in book.left_out]
    lines += [f"ended by itself: {life.name} with {life.code}" for life in book.unasked]
    return "\n".join(lines)


def _recovery(wire: ChaosWire, effect: Effect) -> float | None:
    """Seconds from the start of the process after the killed one until that one's name was ready for work."""
    if (killed := effect.killed) is None or killed.ended is None:
        return None
    after = [life for life in wire.lives if life.name == killed.name and life.started >= killed.ended]
    ready = [life.ready for life in after if life.ready is not None]
    return ready[0] - after[0].started if ready else None
