"""How fast and how cheap? Rates, latencies and memory with receivers that all do well."""

import itertools
from pathlib import Path

from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say, inside
from tests.bench.delivery.measured import FAN_OUT, percentiles, ready, runs_of, told
from tests.bench.delivery.stage import a_stage
from tests.bench.figures import median, median_spread
from tests.bench.load import a_load
from tests.bench.machine import resident_mib
from tests.journeys.instance import a_whole_wire

OUTSTANDING = 6_000
"""Deliveries owed at any time when it is to go as fast as it can."""
IDLE = 100_000


async def fanned_out(folder: Path, protocol: Protocol, say: Say, *, tls: bool = False) -> list[Figure]:
    """As fast as it goes: stories for a hundred healthy endpoints, from the released topic, attempts recorded."""
    async with a_stage(folder, tls=tls) as stage:
        everybody = await ready(stage, "all", FAN_OUT)
        runs = await runs_of(stage, lambda s: stage.flood(OUTSTANDING, s, itertools.repeat([everybody])), protocol, say)
    rate, cost = (median(runs, of) for of in (lambda run: run.per_s, lambda run: run.cpu_us))
    memory = f"{max(run.resident_mib for run in runs):.0f} MiB resident"
    return [
        Figure(Bar("sustained, 1 to 100, 1 KiB, attempts recorded", "/s", 12_000, 20_000), rate, memory, sound(runs)),
        Figure(Bar("CPU of the process per delivery at that rate", "µs", 60, 35), cost, told(runs), sound(runs)),
    ]


async def over_tls(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """The same with TLS 1.3 receivers, beside the plain rate of the same run."""
    bar = Bar("TLS 1.3 receivers, of the plain rate", "%", 60, 75)
    plain, *_ = await fanned_out(inside(folder, "plain"), protocol, say)
    tls, *_ = await fanned_out(inside(folder, "tls"), protocol, say, tls=True)
    if plain.value is None or not tls.value:
        return [Figure(bar, None, "one of the two runs gave nothing", sound=False)]
    remark = f"{tls.value:,.0f}/s of {plain.value:,.0f}/s"
    return [Figure(bar, 100 * tls.value / plain.value, remark, plain.sound and tls.sound)]


async def two_thousand(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """Twenty stories a second for a hundred endpoints: from the release to the answer that is recorded."""
    async with a_stage(folder) as stage:
        everybody = await ready(stage, "all", FAN_OUT)
        runs = await runs_of(stage, lambda s: stage.steady(20, s, itertools.repeat([everybody])), protocol, say)
    found = median_spread([run.answered.get("all", []) for run in runs])
    return percentiles("released to answered, 1 to 100, 2,000/s", found, (12, 7), (25, 14), runs)


async def one_each(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """Five hundred stories a second, each for one of a hundred endpoints: from the release to the receiver."""
    async with a_stage(folder) as stage:
        singles = [await stage.register(f"one-{number}", 1) for number in range(FAN_OUT)]
        await stage.warm(singles[-1])
        runs = await runs_of(
            stage, lambda s: stage.steady(500, s, itertools.cycle([[one] for one in singles])), protocol, say
        )
    found = median_spread([list(itertools.chain(*run.at_receiver.values())) for run in runs])
    return percentiles("released to POST at receiver, one endpoint each, 500/s", found, (6, 4), (20, 10), runs)


async def whole_pipe(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """A whole wire: flashes filed at its door, twenty a second; from the 202's moment to the receiver."""
    with a_whole_wire(folder, {"WIRE_FLASH_QUOTA": "1000000"}) as wire:
        async with a_load(wire, say) as (load, arrivals):
            runs = []
            for _ in range(protocol.runs):
                await load.steady(20, protocol.warm_up_s, 1)
                runs.append((await load.steady(20, protocol.measured_s, 1)).webhook)
            unverified = arrivals.unverified()
    found = median_spread(runs)
    remark = f"{sum(map(len, runs))} stories, {unverified} not verified"
    p50, p99 = (found.p50, found.p99) if found else (None, None)
    return [
        Figure(
            Bar("accepted to POST at receiver, whole pipe, flash, 20/s: p50", "ms", 25, 15), p50, "", not unverified
        ),
        Figure(Bar("the same: p99", "ms", 80, 40), p99, remark, not unverified),
    ]


async def idle_memory(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """What a hundred thousand endpoints cost that nothing is sent to."""
    count = IDLE // protocol.shrunk
    async with a_stage(folder) as stage:
        await ready(stage, "first", 1)
        before = resident_mib(stage.pid)
        await stage.register("idle", count)
        await ready(stage, "last", 1)
        grown = resident_mib(stage.pid) - before
    say(f"    {count:,} endpoints took {grown:.0f} MiB")
    remark = f"{count:,} endpoints beside {before:.0f} MiB"
    return [
        Figure(Bar("memory per idle endpoint", "bytes", 1024, 1000), grown * 2**20 / count, remark),
        Figure(Bar("memory of 100,000 idle endpoints", "MB", 150, 100), grown * 1.048576 * IDLE / count, ""),
    ]
