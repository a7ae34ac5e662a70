"""`python -m tests.bench.recovery`: each service is killed under a trickle of stories, then the broker is away for a
minute; how long until each is at work again, and does the door say 503 meanwhile?"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

from tests.bench.figures import table
from tests.bench.load import Arrivals
from tests.chaos.instance import KAFKA, ChaosWire, chaos_wire
from tests.journeys.people import Subscriber, a_secret
from tests.journeys.texts import a_story
from tests.waiting import wait_until

CONSUMES: Final[Mapping[str, Sequence[str]]] = {
    "ingest": (),
    "enrich": ("enrich-routine",),
    "enrich-flash": ("enrich-flash",),
    "moderation": ("moderation",),
    "distribution": ("matcher", "deliverer"),
    "gateway": ("views",),
    "monitor": (),
}
"""Whose partitions a service works on, by its name; one without any is at work when it is ready."""
BOUND_S, AIM_S = 10.0, 3.0
LOOK_EVERY_S = 0.05
AT_WORK_WITHIN_S = 120.0
HEALTHY_WITHIN_S = 120.0
FLASH, ROUTINE = 1, 4


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds of one kill: until the next process was started, and from then until it was at work."""

    name: str
    started_s: float
    at_work_s: float


@dataclass(slots=True)
class Trickle:
    """Files a story every now and then, flash and routine in turn, and counts the answers of the door."""

    door: str
    key: str
    every_s: float
    answers: "Counter[str]" = field(default_factory=Counter)
    without_retry_after: int = 0

    async def run(self) -> None:
        headers = {"authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(base_url=self.door, headers=headers, timeout=30.0) as client:
            while True:
                for urgency in (ROUTINE, FLASH):
                    await self._file(client, urgency)
                    await asyncio.sleep(self.every_s)

    async def _file(self, client: httpx2.AsyncClient, urgency: int) -> None:
        try:
            answer = await client.post("/v1/intake/stories", json=a_story(urgency=urgency))
        except httpx2.TransportError:
            self.answers["nobody answers"] += 1
            return
        self.answers[str(answer.status_code)] += 1
        self.without_retry_after += answer.status_code == 503 and "retry-after" not in answer.headers


def main() -> int:
    """Run it and print the figures; 1 when a bound is broken."""
    asked = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="slugline-recovery-") as folder:
        return asyncio.run(_measure(Path(folder), asked.rounds, asked.outage))


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _measure(data: Path, rounds: int, outage_s: float) -> int:
    quota = {"WIRE_FLASH_QUOTA": "1000000"}  # a flash beyond it would ride routine, and its lane would have no work
    async with chaos_wire(data, settings=quota) as wire:
        trickle = Trickle(wire.services["ingest"].url, wire.wire.key("desk"), every_s=0.1)
        filing = asyncio.create_task(trickle.run())
        try:
            async with _subscribed(wire):
                kills = [await _kill(wire, name) for _ in range(rounds) for name in CONSUMES]
                if kills:
                    _tell_kills(kills)
                trickle.answers.clear()
                healthy_s = await _broker_away(wire, outage_s)
        finally:
            filing.cancel()
            await asyncio.wait({filing})
    say("")
    say(f"The broker away for {outage_s:g} s: everything healthy {healthy_s:.1f} s after it was let start again.")
    say(f"The door's answers: {dict(trickle.answers)}; 503 without Retry-After: {trickle.without_retry_after}.")
    slow = [one for one in kills if one.at_work_s > BOUND_S]
    refused = outage_s < 1 or trickle.answers["503"] > 0
    return 1 if slow or trickle.without_retry_after or not refused else 0


@asynccontextmanager
async def _subscribed(wire: ChaosWire) -> AsyncIterator[None]:
    """An endpoint that wants everything and takes it, so that there is something to deliver."""
    arrivals = Arrivals(a_secret())
    async with (
        Subscriber(wire.wire) as subscriber,
        subscriber.endpoint(arrivals, secret=arrivals.secret) as endpoint_id,
    ):
        await subscriber.made("/v1/subscriptions", name="bench", endpoint_id=endpoint_id, filter={})
        yield


async def _kill(wire: ChaosWire, name: str) -> Recovery:
    """SIGKILL one service, and wait until the next process of it has done some work."""
    await wire.healthy(within=HEALTHY_WITHIN_S)
    killed_at, life = time.time(), wire.kill(name)
    deadline = killed_at + AT_WORK_WITHIN_S
    await wait_until(lambda: wire.life(name) is not life, AT_WORK_WITHIN_S, every=LOOK_EVERY_S)
    newest = wire.life(name)
    async with httpx2.AsyncClient(timeout=2.0) as client:
        while not await _at_work(client, wire.services[name].url, CONSUMES[name]):
            if time.time() > deadline:
                raise TimeoutError(f"{name} is not at work {AT_WORK_WITHIN_S:g} s after it was killed")
            await asyncio.sleep(LOOK_EVERY_S)
    found = Recovery(name, newest.started - killed_at, time.time() - newest.started)
    say(f"  {name:<13} at work {found.at_work_s:4.1f} s after its start")
    return found


async def _at_work(client: httpx2.AsyncClient, url: str, groups: Sequence[str]) -> bool:
    """Whether the process has finished records of each group; without groups, whether it is ready."""
    with suppress(httpx2.TransportError):
        if not groups:
            return (await client.get(f"{url}/readyz")).status_code == 200
        told = (await client.get(f"{url}/metrics")).text.splitlines()
        done = [
            line for line in told if line.startswith("wire_records_consumed_total{") and float(line.split()[-1]) > 0
        ]
        return all(any(f'group="{group}' in line for line in done) for group in groups)
    return False


async def _broker_away(wire: ChaosWire, seconds: float) -> float:
    """Kill the broker, start it again after so long, and let everybody find back; seconds from its start."""
    await wire.healthy(within=HEALTHY_WITHIN_S)
    say(f"Killing the broker for {seconds:g} s")
    async with wire.away(KAFKA):
        await asyncio.sleep(seconds)
    back = time.time()
    return await wire.healthy(within=HEALTHY_WITHIN_S) - back


def _tell_kills(kills: Sequence[Recovery]) -> None:
    rows = []
    for name in CONSUMES:
        took = sorted(one.at_work_s for one in kills if one.name == name)
        verdict = "over the bound" if took[-1] > BOUND_S else "over the aim" if took[-1] > AIM_S else "within the aim"
        started = max(one.started_s for one in kills if one.name == name)
        rows.append([name, str(len(took)), f"{started:.1f}", f"{took[len(took) // 2]:.1f}", f"{took[-1]:.1f}", verdict])
    say("")
    say(f"Seconds from the start of the next process to work done by it (bound {BOUND_S:g}, aim {AIM_S:g}):")
    say("")
    for line in table(["service", "kills", "until started", "at work, median", "most", "verdict"], rows):
        say(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.recovery",
        description="Kill every service of a whole wire, then its broker, and measure how long each takes to recover.",
        epilog="example: python -m tests.bench.recovery --rounds 1 --outage 5",
    )
    parser.add_argument("--rounds", type=int, default=3, help="kills of each service (3; 0: only the broker)")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without the broker (60)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
