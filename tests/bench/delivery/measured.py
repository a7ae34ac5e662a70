"""What a row of the table says: its figures, what they are judged by, and what runs say together."""

from collections.abc import Awaitable, Callable, Sequence

from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say
from tests.bench.delivery.stage import Run, Stage
from tests.bench.delivery.stories import Group
from tests.bench.figures import Spread, median, spread

FAN_OUT = 100
"""Endpoints that want every story of a fanned out row."""
PUT_AT_ONCE = 500


async def ready(stage: Stage, name: str, endpoints: int) -> Group:
    group = await stage.register(name, endpoints)
    await stage.warm(group)
    return group


async def runs_of(stage: Stage, load: Callable[[float], Awaitable[None]], protocol: Protocol, say: Say) -> list[Run]:
    runs = []
    for number in range(protocol.runs):
        run = await stage.run(load, protocol)
        say(f"    run {number + 1}: {run.per_s:,.0f}/s, {run.cpu_us:.1f} µs each; {told([run])}")
        parts = {hop: spread(values) for hop, values in run.hops.items()}
        way = [f"{hop} {part.p50:.1f} / {part.p99:.1f}" for hop, part in parts.items() if part]
        say(f"        ms from stage to stage, p50 / p99: {', '.join(way) or 'unknown'}")
        runs.append(run)
    return runs


async def at_once(stage: Stage, stories: int, groups: Sequence[Group]) -> None:
    for first in range(0, stories, PUT_AT_ONCE):
        await stage.put([groups] * min(PUT_AT_ONCE, stories - first))


def told(runs: Sequence[Run]) -> str:
    retried = sum(run.retried for run in runs)
    again = f", {retried:,} tries repeated" if retried else ""
    unsound = [f"{run.account}, {run.unverified} of {run.sampled} not verified" for run in runs if not run.sound]
    return ("; ".join(unsound) or f"{sum(run.account.arrived for run in runs):,} received as owed") + again


def percentiles(
    what: str,
    found: Spread | None,
    p50: tuple[float, float],
    p99: tuple[float, float],
    runs: Sequence[Run],
) -> list[Figure]:
    bars = [Bar(f"{what}: p50", "ms", *p50), Bar("the same: p99", "ms", *p99)]
    if found is None:
        return [Figure(bar, None, "nothing arrived", sound=False) for bar in bars]
    cost = f"{median(runs, lambda run: run.cpu_us):.0f} µs CPU each"
    values = ((found.p50, cost), (found.p99, f"most {found.most:.0f} ms; {told(runs)}"))
    return [Figure(bar, value, remark, sound(runs)) for bar, (value, remark) in zip(bars, values, strict=True)]


def ratio(bar: Bar, before: Spread | None, during: Spread | None, is_sound: bool, remark: str = "") -> Figure:
    if before is None or during is None:
        return Figure(bar, None, "nothing arrived", sound=False)
    found = f"p99 {during.p99:.1f} of {before.p99:.1f} ms"
    return Figure(bar, during.p99 / before.p99, f"{found}; {remark}" if remark else found, is_sound)
