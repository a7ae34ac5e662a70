"""Whose trouble is whose? Healthy endpoints beside the dead, a burst, a replay; a flash beside a long queue."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from shared.domain.story import Lane
from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say
from tests.bench.delivery.asking import replayed
from tests.bench.delivery.measured import FAN_OUT, at_once, ratio, ready, runs_of, told
from tests.bench.delivery.stage import Run, a_stage
from tests.bench.figures import Spread, median, median_spread

BURST = 1_000_000
QUEUED = 50_000
REPLAYED = 1_000_000


async def half_dead(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """Twenty stories a second, each owed to fifty healthy endpoints and to fifty that never answer."""
    bars = (
        Bar("half of 100 endpoints dead, 2,000 due/s: healthy rate kept", "%", 100, 100),
        Bar("the same: healthy p99, of its baseline", "times", 1.5, 1.1),
    )
    return await _beside_the_dead(folder, protocol, say, FAN_OUT // 2, 1, bars)


async def thousand_dead(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """A thousand that never answer beside a thousand healthy ones, a hundred of them owed each story."""
    bars = (
        Bar("1,000 dead beside 1,000 healthy, 2,000 due/s: healthy rate kept", "%", 97, 100),
        Bar("the same: healthy p99, of its baseline", "times", 2, 1.2),
    )
    return await _beside_the_dead(folder, protocol, say, FAN_OUT // 2, 20, bars)


async def _beside_the_dead(
    folder: Path, protocol: Protocol, say: Say, each: int, groups: int, bars: tuple[Bar, Bar]
) -> list[Figure]:
    """`groups` of `each` healthy endpoints without and with as many dead ones; the rate kept in %, p99 as a ratio."""
    async with a_stage(folder, min(1_000, each * groups)) as stage:
        well = [await stage.register(f"well-{number}", each) for number in range(groups)]
        await stage.warm(well[-1])
        alone = itertools.cycle([[one] for one in well])
        before = await runs_of(stage, lambda s: stage.steady(20, s, alone), protocol, say)
        ill = [await stage.register(f"ill-{number}", each, behaviour="hole") for number in range(groups)]
        both = itertools.cycle([[one, other] for one, other in zip(well, ill, strict=True)])
        during = await runs_of(stage, lambda s: stage.steady(20, s, both), protocol, say)
        swallowed = stage.receivers.swallowed
    all_sound = sound([*before, *during])
    kept = 100 * median(during, lambda run: run.per_s) / (20 * each)
    rates = f"{kept * 20 * each / 100:,.0f}/s of {20 * each:,}/s; the dead swallowed {swallowed}; {told(during)}"
    return [
        Figure(bars[0], min(100.0, round(kept, 1)), rates, all_sound),
        ratio(bars[1], _everybody(before), _everybody(during), all_sound),
    ]


async def burst(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """One subscriber is owed a million deliveries at once; fifty others get one a second each."""
    bar = Bar("one subscriber bursts 1,000,000: others' p99, of its baseline", "times", 2, 1.2)
    stories = BURST // FAN_OUT // protocol.shrunk
    async with a_stage(folder) as stage:
        big = await stage.register("burst", FAN_OUT, subscriber="sub-burst")
        others = [await stage.register(f"other-{number}", 1) for number in range(50)]
        await stage.warm(others[-1])
        turns = itertools.cycle([[one] for one in others])
        before = await runs_of(stage, lambda s: stage.steady(50, s, turns), protocol, say)

        async def bursting(seconds: float) -> None:
            ends = time.monotonic() + seconds
            await at_once(stage, stories, [big])
            await stage.steady(50, max(1.0, ends - time.monotonic()), turns)

        during = await runs_of(stage, bursting, Protocol(0, protocol.measured_s, protocol.runs), say)
    remark = f"{stories * FAN_OUT:,} deliveries; {told(during)}"
    return [ratio(bar, _everybody(before), _without("burst", during), sound([*before, *during]), remark)]


async def flash_ahead(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """Flashes for one endpoint while fifty thousand routine stories, owed to ten endpoints each, are queued."""
    queued = QUEUED // protocol.shrunk
    bar = Bar("flash while 50,000 routine stories are queued: released to 2xx, p99", "ms", 500, 150)
    async with a_stage(folder) as stage:
        routine = await stage.register("routine", 10)
        flash = await stage.register("flash", 1)
        await stage.warm(flash)

        async def behind(seconds: float) -> None:
            await at_once(stage, queued, [routine])
            while stage.owed - stage.receivers.arrived > len(routine.endpoint_ids):
                await stage.steady(20, 0.5, itertools.repeat([flash]), Lane.FLASH)

        runs = await runs_of(stage, behind, Protocol(0, protocol.measured_s, protocol.runs), say)
    found = median_spread([run.answered.get("flash", []) for run in runs])
    remark = f"{queued:,} routine stories; {found.count if found else 0} flashes; {told(runs)}"
    return [Figure(bar, found.p99 if found else None, remark, sound(runs))]


async def replay(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """A hundred endpoints have a million deliveries replayed while others get fifty a second."""
    bar = Bar("replay of 1,000,000 deliveries: live p99, of its baseline", "times", 1.25, 1.1)
    stories = REPLAYED // FAN_OUT // protocol.shrunk
    async with a_stage(folder) as stage:
        past = await ready(stage, "past", FAN_OUT)
        others = [await stage.register(f"other-{number}", 1) for number in range(50)]
        await stage.warm(others[-1])
        await at_once(stage, stories, [past])
        turns = itertools.cycle([[one] for one in others])
        before = await runs_of(stage, lambda s: stage.steady(50, s, turns), protocol, say)

        async def replaying(seconds: float) -> None:
            await replayed(stage, past)
            await stage.steady(50, seconds, turns)
            await stage.quiet()  # what is sent again is owed by nobody's account

        during = await stage.run(replaying, Protocol(0, protocol.measured_s, 1))
    say(f"    {told([during])}")
    if not during.account.twice and not during.account.strange:
        return [Figure(bar, None, "nothing was sent again: replays are not there, or did not begin")]
    remark = f"{during.account.strange:,} of {stories * FAN_OUT:,} sent again in the window"
    again_only = not during.account.lost and not during.unverified
    return [ratio(bar, _everybody(before), _everybody([during]), sound(before) and again_only, remark)]


def _everybody(runs: Sequence[Run]) -> Spread | None:
    return median_spread([list(itertools.chain(*run.answered.values())) for run in runs])


def _without(section: str, runs: Sequence[Run]) -> Spread | None:
    return median_spread(
        [list(itertools.chain(*(of for name, of in run.answered.items() if name != section))) for run in runs]
    )
