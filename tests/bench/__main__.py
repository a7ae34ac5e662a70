"""`python -m tests.bench`: measure a whole wire on this machine, print the figures, keep them in docs/benchmarks.md."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.figures import Spread, spread, table
from tests.bench.kept import KEPT_IN, keep
from tests.bench.load import Run, a_load
from tests.bench.machine import commit_at_hand, resident_mib, where
from tests.journeys.instance import NotRunning, Wire, a_whole_wire

COMMAND = "make bench"
LANES = {"routine": 4, "flash": 1}
NO_QUOTA = {"WIRE_FLASH_QUOTA": "1000000"}  # a flash beyond its source's quota would ride routine


def main() -> int:
    """Run it; returns 0, or 1 where the wire does not come up."""
    asked = _parser().parse_args()
    commit = commit_at_hand()  # of what is started now, whatever is committed meanwhile
    with tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder:
        say(f"Starting a wire with its data in {folder}")
        began = time.monotonic()
        try:
            with a_whole_wire(Path(folder), NO_QUOTA) as wire:
                start_up = time.monotonic() - began
                say(f"  ready after {start_up:.1f} s")
                report = asyncio.run(_measure(wire, asked.rate, asked.seconds, asked.burst, commit, start_up))
        except NotRunning as error:
            sys.stderr.write(f"The wire does not come up:\n{error}\n")
            return 1
    say("\n" + report)
    if not asked.no_keep:
        keep(COMMAND, report)
        say(f"Kept in {KEPT_IN}.")
    return 0


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _measure(wire: Wire, rate: float, seconds: float, burst: int, commit: str, start_up: float) -> str:
    idle = memory(wire)
    async with a_load(wire, say) as (load, arrivals):
        runs: dict[str, Run] = {}
        for lane, urgency in LANES.items():
            say(f"Filing {rate:g} stories a second for {seconds:g} s, {lane}")
            runs[lane] = await load.steady(rate, seconds, urgency)
            say(f"    webhook p50 {_p50(runs[lane].webhook)}, stream p50 {_p50(runs[lane].stream)}")
        say(f"Filing {burst} stories as fast as they are taken")
        fast = await load.burst(burst)
        say(f"    {fast.per_second:.0f} stories a second")
        unverified = arrivals.unverified()
        busy = memory(wire)
    return _report(rate, seconds, runs, fast, commit, start_up, idle, busy, unverified)


def memory(wire: Wire) -> dict[str, float]:
    """Resident memory of every process, MiB, by name."""
    return {name: resident_mib(pid) for name, pid in wire.now.pids.items()}


def _report(
    rate: float,
    seconds: float,
    runs: dict[str, Run],
    fast: Run,
    commit: str,
    start_up: float,
    idle: dict[str, float],
    busy: dict[str, float],
    unverified: int,
) -> str:
    from_accepted = [
        [f"{what}, {lane}", *_cells(spread(values))]
        for lane, run in runs.items()
        for what, values in (
            ("webhook received", run.webhook),
            ("webhook answered 200", run.answered),
            ("stream event read", run.stream),
            ("(the desk's wait for its 202)", run.filing),
        )
    ]
    hops = [
        [f"{hop}, {lane}", *_cells(spread(values))] for lane, run in runs.items() for hop, values in run.hops.items()
    ]
    webhooks = sum(run.filed for run in runs.values()) + fast.filed
    lines = [
        "## The whole wire",
        "",
        "The last run of `make bench` (`python -m tests.bench --help` shows its options): one machine that runs the",
        "broker, Redis, every service, the desk and the subscriber side by side. Figures, not promises: no test",
        "depends on them.",
        "",
        *where(commit),
        "",
        f"### Milliseconds from accepted, {rate:g} stories a second for {seconds:g} s in each lane",
        "",
        *table(["from accepted to", "stories", "p50", "p95", "p99", "most"], from_accepted),
        "",
        "Times are those of the receiving program's own clock; the stream's end when its reader has read the event.",
        f"Of {webhooks} webhooks {webhooks - unverified} were verified by `standardwebhooks`.",
        "",
        "Where the time goes, from stage to stage:",
        "",
        *table(["hop", "stories", "p50", "p95", "p99", "most"], hops),
        "",
        "### Sustained",
        "",
        f"{fast.filed} stories filed as fast as they were taken: **{fast.per_second:.0f} stories a second** end to end",
        f"(from the first one accepted to the last one at both webhook and stream, {fast.seconds:.1f} s).",
        "",
        "### Start-up and memory",
        "",
        f"From nothing (no topics yet) to every service ready: {start_up:.1f} s.",
        "",
        *table(
            ["process", "MiB idle", "MiB after"],
            [[name, f"{idle.get(name, 0):.0f}", f"{size:.0f}"] for name, size in busy.items()],
        ),
        "",
    ]
    return "\n".join(lines)


def _p50(milliseconds: list[float]) -> str:
    found = spread(milliseconds)
    return f"{found.p50:.1f} ms" if found else "unknown"


def _cells(found: Spread | None) -> list[str]:
    if found is None:
        return ["0", "", "", "", ""]
    return [str(found.count), *(f"{value:.1f}" for value in (found.p50, found.p95, found.p99, found.most))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure a whole wire on this machine: latency in both lanes, throughput, memory, start-up.",
        epilog="example: python -m tests.bench --seconds 10 --no-keep",
    )
    parser.add_argument("--rate", type=float, default=20.0, help="stories a second (20)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long in each lane (60)")
    parser.add_argument("--burst", type=int, default=1000, help="stories filed as fast as they are taken (1000)")
    parser.add_argument("--no-keep", action="store_true", help="only print; leave docs/benchmarks.md as it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
