"""What do ten thousand clients cost that wait, that do not read, or that all come back? Rows about the crowd itself."""

import asyncio
import itertools
import json
import statistics
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say, inside
from tests.bench.gateway.load import MAIN, Load, NotServedError, Run
from tests.bench.gateway.loads import load_client
from tests.bench.gateway.measured import OURS, crowd, late, runs_of, shares, side_by_side, told
from tests.bench.gateway.stories import Audience, Story
from tests.bench.gateway.wire import Gateway, gateway
from tests.bench.machine import open_files, pss_kib, raise_open_files
from tests.bench.window import Window
from tests.waiting import wait_until

SETTLED_S = 2.0
STALLED = "stalled"
STALLED_PER_S = 4
HEAVY = "heavy"
HEAVY_STORIES, HEAVY_BYTES, HEAVY_EVERY_S = 30, 16_384, 0.1
"""What fills a stalled client: more than its socket and its buffer hold, within three seconds."""
LITTLE = 4_096
GONE_WITHIN_S = 60.0
LOOK_EVERY_S = 0.2
BEHIND = "/v1/stream/clients"
"""Shows of each client for how long it has been behind; the gateway's list, in the order in which they came."""
OWN_FILES = 10
"""Descriptors that the gateway may open for itself meanwhile."""
MISSED = 10
CLOSED_WITHIN_S = 30.0
SOON_S = 1.0


async def memory(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """10,000 clients that are sent nothing, as event streams and as WebSockets: how much does each take?"""
    clients = crowd(10_000, protocol)
    figures = []
    for kind, name in (("sse", "SSE"), ("ws", "WebSocket")):
        bar = Bar(f"memory per idle {name} client at {clients:,}", "KiB", 3, 1.5)
        part = inside(folder, kind)
        try:
            grown = await side_by_side(part, say, lambda load, kind=kind: _grown(load, kind, clients))  # type: ignore[misc]
        except NotServedError as error:
            figures.append(Figure(bar, None, f"not served: {error}"))
            continue
        others = ", ".join(f"{name} {kib:.2f} KiB" for name, kib in grown.items() if name != OURS)
        figures.append(Figure(bar, grown[OURS], others))
    return figures


async def _grown(load: Load, kind: str, clients: int) -> float:
    """KiB that each client adds to the process."""
    before = pss_kib(load.server.pid)
    await load.listen([Audience((MAIN,), clients)], kind, sample=0)
    await asyncio.sleep(SETTLED_S)
    return (pss_kib(load.server.pid) - before) / clients


@dataclass(frozen=True, slots=True)
class _Gone:
    """What became of those who read nothing: most memory each, how many stayed, and when the others were gone.

    Seconds from when filling them began; `behind_s`: until each was gone or shown to be behind, None where that is not
    shown.
    """

    kib_each: float
    left: int
    seconds: float
    behind_s: float | None


async def stalled(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """1,000 of 10,000 clients stop reading: what do they cost, when are they gone, and what do the others notice?"""
    few = crowd(1_000, protocol)
    many = few * 9
    raise_open_files()
    async with gateway(folder) as ours, load_client(folder) as client:
        load = Load(ours, client)
        await load.listen([Audience((MAIN,), many)], sample=min(many, 300))
        window = Protocol(1, max(5.0, protocol.measured_s / 2), protocol.runs)
        before = await runs_of(load, lambda s: load.steady(STALLED_PER_S, s, itertools.repeat(MAIN)), window, say)
        gone: list[_Gone] = []

        async def with_stalled(seconds: float) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(load.steady(STALLED_PER_S, seconds, itertools.repeat(MAIN)))
                gone.append(await _stall(ours, load, few))

        filling = HEAVY_STORIES * HEAVY_EVERY_S + 1
        during = await runs_of(load, with_stalled, Protocol(filling, window.measured_s, protocol.runs), say)
    return _of_stalled(before, during, gone, few)


async def _stall(ours: Gateway, load: Load, few: int) -> _Gone:
    """Open clients that read nothing, fill them, and watch the process until they are gone."""
    pid, heads = ours.pid, [ours.head("sse", number, (MAIN, HEAVY)) for number in range(few)]
    files, kib = open_files(pid), pss_kib(pid)
    await load.client.open(STALLED, ours.address, heads, sample=0, receive_buffer=LITTLE)
    await load.client.stop_reading(STALLED)
    there, began, most, behind_s = open_files(pid) - files, time.monotonic(), 0, None
    filling, left = asyncio.create_task(_fill(load)), few
    try:
        while left > OWN_FILES and time.monotonic() < began + GONE_WITHIN_S:
            most = max(most, pss_kib(pid) - kib)
            if behind_s is None and filling.done() and await _all_behind(ours, few):
                behind_s = time.monotonic() - began
            await asyncio.sleep(LOOK_EVERY_S)
            left = open_files(pid) - files
        await filling
    finally:
        filling.cancel()
    await load.client.close(STALLED)
    return _Gone(most / there, left if left > OWN_FILES else 0, time.monotonic() - began, behind_s)


async def _fill(load: Load) -> None:
    for _ in range(HEAVY_STORIES):
        load.made += 1
        await load.server.put([Story(load.made - 1, HEAVY, time.time_ns() // 1000, size=HEAVY_BYTES)])
        await asyncio.sleep(HEAVY_EVERY_S)


async def _all_behind(ours: Gateway, few: int) -> bool:
    """Whether the gateway shows as many clients that are behind as stopped reading; False where it shows none."""
    behind, target = 0, f"{BEHIND}?limit=1000"
    while target:
        status, body = await ours.get(target, ours.operator)
        if status != HTTPStatus.OK:
            return False
        page = json.loads(body)
        behind += sum(client["age_s"] > 0 for client in page["items"])
        target = f"{BEHIND}?limit=1000&cursor={page['next']}" if page["next"] else ""
    return behind >= few


def _of_stalled(before: list[Run], during: list[Run], gone: list[_Gone], few: int) -> list[Figure]:
    kib = Bar(f"{few:,} stalled clients: memory each at most", "KiB", 64, 32)
    soon = Bar("the same: all are gone or shown to be behind", "s", 10, 5)
    others = Bar("the same: the others' p99, of what it was", "times", 1.10, 1.03)
    figures = [Figure(kib, max(one.kib_each for one in gone), "with what the process needs for the others meanwhile")]
    left, seconds = max(one.left for one in gone), statistics.median(one.seconds for one in gone)
    ended = f"{left:,} were still there after {seconds:.0f} s" if left else f"all were gone after {seconds:.1f} s"
    shown = [one.behind_s for one in gone if one.behind_s is not None]
    first = statistics.median(shown) if len(shown) == len(gone) else None if left else seconds
    figures.append(Figure(soon, first, f"filled within {HEAVY_STORIES * HEAVY_EVERY_S:g} s; {ended}"))
    was, became = late(before), late(during)
    if was is None or became is None:
        return [*figures, Figure(others, None, "nothing came", sound=False)]
    remark = f"p99 {became.p99:.1f} of {was.p99:.1f} ms; {shares(during)}{told([*before, *during])}"
    return [*figures, Figure(others, became.p99 / was.p99, remark, sound([*before, *during]))]


@dataclass(frozen=True, slots=True)
class _Back:
    """One storm: seconds from the first connection to the last story, CPU of the gateway for each client (µs)."""

    seconds: float
    cpu_us: float
    run: Run


async def reconnect(folder: Path, protocol: Protocol, say: Say) -> list[Figure]:
    """10,000 clients come back at once with a cursor, each behind by ten stories: how soon has everyone all of them?"""
    clients = crowd(10_000, protocol)
    raise_open_files()
    async with gateway(folder) as ours, load_client(folder) as client:
        load = Load(ours, client)
        await load.listen([Audience((MAIN,), clients)])
        storms = []
        for number in range(protocol.runs):
            storm = await _storm(load, clients)
            say(f"        run {number + 1}: {storm.seconds:.2f} s, {storm.cpu_us:.0f} µs each; {told([storm.run])}")
            storms.append(storm)
    runs = [storm.run for storm in storms]
    seconds = statistics.median(storm.seconds for storm in storms)
    cpu_us = statistics.median(storm.cpu_us for storm in storms)
    what = f"{clients:,} clients come back with a cursor, {MISSED} stories behind"
    return [
        Figure(Bar(f"{what}: all have all", "s", 2, 1), seconds, f"{shares(runs)}{told(runs)}", sound(runs)),
        Figure(Bar("the same: CPU each", "µs", 80, 40), cpu_us, "key, filter and replay included", sound(runs)),
    ]


async def _storm(load: Load, clients: int) -> _Back:
    """Everybody leaves, ten stories pass, everybody comes back where they were."""
    pid = load.server.pid
    await load.put(load.stories([MAIN], time.time_ns() // 1000))
    await load.settle()
    cursor = (await load.client.told(MAIN)).last_id
    files = open_files(pid)
    await load.client.close(MAIN)
    await wait_until(lambda: open_files(pid) <= files - clients, CLOSED_WITHIN_S, message="all have left")
    load.begin_anew()
    missed = load.stories([MAIN] * MISSED, time.time_ns() // 1000)
    await load.put(missed)
    await asyncio.sleep(SOON_S)
    server, client = (Window(process, lambda: load.client.arrived) for process in (pid, load.client.pid))
    server.open()
    client.open()
    opening = await load.listen(load.audiences, cursor=cursor)
    await load.settle()
    server.close()
    client.close()
    came = await load.client.told(MAIN)
    run = load.judged(came, server, client)
    return _Back((came.last_us - opening.began_us) / 1e6, server.cpu_s / clients * 1e6, run)
