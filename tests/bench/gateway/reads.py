"""How many reads does a gateway answer, and how soon? `GET /v1/stories`, the newest page, out of the cache."""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say
from tests.bench.figures import median_spread
from tests.bench.gateway.servers import request
from tests.bench.gateway.stories import Story
from tests.bench.gateway.wire import KEYS, Gateway, gateway
from tests.bench.machine import cpu_s
from tests.waiting import wait_until

STORIES = 200
TALKS = 32
PER_S = 1_000
SECTION = "main"
SHOWN_WITHIN_S = 30.0
PAGE = "/v1/stories"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run of GETs gave: answers by status, milliseconds of each, and parts of a core of gateway and client."""

    statuses: dict[str, int]
    seconds: float
    share: float
    late: list[float]
    server_share: float

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    @property
    def per_core(self) -> float:
        """Answers a second for a whole core of the gateway."""
        return self.answered / self.seconds / self.server_share

    @property
    def sound(self) -> bool:
        """Every GET was answered with the page."""
        return self.statuses.keys() == {"200"}


async def rest(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """The newest page of stories from cache: as fast as it goes, then a thousand a second."""
    async with gateway(folder) as ours:
        await ours.put_as_newest([Story(number, SECTION, time.time_ns() // 1000) for number in range(STORIES)])
        await wait_until(lambda: _shown(ours), SHOWN_WITHIN_S, message="the newest story is on the page")
        await _asked(ours, folder, 0, protocol.warm_up_s)
        fast = [await _asked(ours, folder, 0, protocol.measured_s) for _ in range(protocol.runs)]
        say(f"        as fast as it goes: {_told(fast)}")
        paced = [await _asked(ours, folder, PER_S, protocol.measured_s) for _ in range(protocol.runs)]
        say(f"        {PER_S:,} a second: {_told(paced)}")
    rate, spread = statistics.median(run.per_core for run in fast), median_spread([run.late for run in paced])
    return [
        Figure(Bar(f"GET {PAGE} from cache, per core", "/s", 3_000, 6_000), rate, _told(fast), _sound(fast)),
        Figure(
            Bar(f"the same at {PER_S:,}/s: due to answered, p99", "ms", 10, 5),
            spread.p99 if spread else None,
            f"p50 {spread.p50:.2f} ms; {_told(paced)}" if spread else "nothing was answered",
            _sound(paced),
        ),
    ]


async def _shown(ours: Gateway) -> bool:
    """Whether the last story that was released is on the page already."""
    _, page = await ours.get(f"{PAGE}?limit=1", ours.key(0))
    return Story(STORIES - 1, SECTION, 0).story_id.encode() in page


async def _asked(ours: Gateway, folder: Path, per_s: float, seconds: float) -> Asked:
    """Let the asking process ask for so long; every key has its turn."""
    heads = folder / "gets"
    heads.write_text(json.dumps([request(PAGE, ours.key(number)) for number in range(KEYS)]))
    host, port = ours.address
    options = {"host": host, "port": port, "heads": heads, "talks": TALKS, "per-s": per_s, "seconds": seconds}
    command = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    used = cpu_s(ours.pid)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.gateway.asker", *command), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the asking process ended with {process.returncode}")
    told = json.loads(output)
    return Asked(**told, server_share=max(cpu_s(ours.pid) - used, 0.01) / told["seconds"])


def _told(runs: list[Asked]) -> str:
    rate, server, client = (
        statistics.median(of)
        for of in zip(*((run.answered / run.seconds, run.server_share, run.share) for run in runs), strict=True)
    )
    others = {status for run in runs for status in run.statuses} - {"200"}
    wrong = f"; also answered {', '.join(sorted(others))}" if others else ""
    return f"{rate:,.0f}/s, server {server:.0%} of a core, client {client:.0%}{wrong}"


def _sound(runs: list[Asked]) -> bool:
    return all(run.sound for run in runs)
