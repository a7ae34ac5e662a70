"""What does a delivery cost, and how soon is it there? Rows in which every client reads as fast as it can."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.domain.story import Lane
from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say
from tests.bench.figures import median
from tests.bench.gateway.load import MAIN, Load, NotServedError, Run
from tests.bench.gateway.measured import (
    CPU_OF_BARE,
    OURS,
    beside,
    cpu,
    crowd,
    late,
    runs_of,
    shares,
    side_by_side,
    thousand,
    told,
)
from tests.bench.gateway.stories import Audience

PER_S = 40
IN_FLIGHT = 8
TOGETHER, TICKS_PER_S = 24, 25
BURSTS, BURST_SAMPLE = 7, 2_500
FILTERS, SECTIONS_EACH, FILTERED_PER_S = 500, 5, 200


async def steady(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """1,000 event streams, forty stories a second: what does one delivery cost?"""
    found = await side_by_side(folder, say, lambda load: forty_a_second(load, "sse", protocol, say))
    what = f"CPU per SSE delivery, {thousand(protocol):,} clients × {PER_S}/s"
    return beside(what, _cpu(found), found[OURS], of_bare=CPU_OF_BARE, of_nchan=(1.0, 0.8), both=True)


async def web_sockets(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """The same over WebSockets."""
    what = f"CPU per WebSocket delivery, {thousand(protocol):,} clients × {PER_S}/s"
    try:
        found = await side_by_side(folder, say, lambda load: forty_a_second(load, "ws", protocol, say))
    except NotServedError as error:
        return [Figure(Bar(f"{what}, of nchan's", "times", 1.0, 0.7), None, f"not served: {error}")]
    return beside(what, _cpu(found), found[OURS], of_bare=CPU_OF_BARE, of_nchan=(1.0, 0.7))


async def saturated(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """1,000 event streams, as fast as it goes: at most eight stories are on their way at any time."""

    async def act(load: Load) -> list[Run]:
        await load.listen([Audience((MAIN,), thousand(protocol))])
        return await runs_of(load, lambda seconds: load.flood(IN_FLIGHT, seconds, MAIN), protocol, say)

    found = await side_by_side(folder, say, act)
    runs = found[OURS]
    per_core = {name: 1e6 / cpu(of) for name, of in found.items()}
    others = ", ".join(f"{name} {value:,.0f}" for name, value in per_core.items() if name != OURS)
    reached = f"{median(runs, lambda run: run.per_s):,.0f}/s reached; per core {others}"
    bar = Bar(f"saturated, {thousand(protocol):,} clients, deliveries per core", "/s", 110_000, 200_000)
    return [Figure(bar, per_core[OURS], f"{reached}; {shares(runs)}{told(runs)}", sound(runs))]


async def ticks(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """1,000 event streams, 24 stories at once, again and again: what does one delivery of a full tick cost?"""

    async def act(load: Load) -> list[Run]:
        await load.listen([Audience((MAIN,), thousand(protocol))], sample=10)
        per_s, main = TOGETHER * TICKS_PER_S, itertools.repeat(MAIN)
        return await runs_of(load, lambda s: load.steady(per_s, s, main, together=TOGETHER), protocol, say)

    found = await side_by_side(folder, say, act)
    runs = found[OURS]
    others = ", ".join(f"{name} {cpu(of):.2f} µs" for name, of in found.items() if name != OURS)
    bar = Bar(f"{TOGETHER} stories in a tick, CPU per delivery", "µs", 0.6, 0.3)
    return [Figure(bar, cpu(runs), f"{others}; {shares(runs)}{told(runs)}", sound(runs))]


async def flash(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """One flash to 10,000 event streams: from just before it is sent to Kafka until the last of them has it."""
    clients = crowd(10_000, protocol)

    async def act(load: Load) -> list[Run]:
        await load.listen([Audience((MAIN,), clients)], sample=min(clients, BURST_SAMPLE))

        async def one(seconds: float) -> None:
            await asyncio.sleep(seconds / 2)
            await load.steady(1, 1, itertools.repeat(MAIN), lane=Lane.FLASH)

        bursts = BURSTS * protocol.runs if protocol.runs > 1 else BURSTS
        return await runs_of(load, one, Protocol(0.2, 0.8, bursts), say)

    found = await side_by_side(folder, say, act)
    p99 = {name: spread.p99 for name, of in found.items() if (spread := late(of))}
    what = f"one flash to {clients:,} clients, p99"
    return beside(what, p99, found[OURS], of_bare=(1.3, 1.05), of_nchan=(1.3, 1.05), unit="ms")


async def filters(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """10,000 event streams on 500 filters of five sections each, 200 stories a second, each for a hundred."""
    each = max(1, crowd(10_000, protocol) // FILTERS)
    audiences = [
        Audience(tuple(f"s{(first + step) % FILTERS:03}" for step in range(SECTIONS_EACH)), each)
        for first in range(FILTERS)
    ]

    async def act(load: Load) -> list[Run]:
        await load.listen(audiences, sample=FILTERS)
        sections = itertools.cycle([f"s{number * 7 % FILTERS:03}" for number in range(FILTERS)])
        return await runs_of(load, lambda seconds: load.steady(FILTERED_PER_S, seconds, sections), protocol, say)

    found = await side_by_side(folder, say, act)
    runs, what = found[OURS], f"{each * FILTERS:,} clients on {FILTERS} filters, {FILTERED_PER_S} stories/s"
    figures = beside(f"{what}: CPU", _cpu(found), runs, of_bare=CPU_OF_BARE, of_nchan=(0.95, 0.75))
    bar, spread = Bar("the same: due to received, p99", "ms", 8, 4), late(runs)
    if spread is None:
        return [*figures, Figure(bar, None, "nothing came", sound=False)]
    others = ", ".join(f"{name} {s.p99:.1f} ms" for name, of in found.items() if name != OURS and (s := late(of)))
    return [*figures, Figure(bar, spread.p99, f"p50 {spread.p50:.1f} ms; {others}", sound(runs))]


async def forty_a_second(load: Load, kind: str, protocol: Protocol, say: Say, chain: Path | None = None) -> list[Run]:
    """A thousand clients of one kind at `PER_S`."""
    await load.listen([Audience((MAIN,), thousand(protocol))], kind, chain=chain)
    return await runs_of(load, lambda seconds: load.steady(PER_S, seconds, itertools.repeat(MAIN)), protocol, say)


def _cpu(found: Mapping[str, Sequence[Run]]) -> dict[str, float]:
    return {name: cpu(runs) for name, runs in found.items()}
