"""`python -m tests.bench.delivery.profile`: on what does distribution spend its CPU, per delivery, at full speed?"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.command import Protocol
from tests.bench.delivery.measured import FAN_OUT
from tests.bench.delivery.stage import Run, a_stage
from tests.bench.figures import table
from tests.bench.process import stop_cleanly

OUTSTANDING = 2_000


async def profiled(folder: Path, protocol: Protocol, fan_out: int) -> tuple[Run, dict[str, Any]]:
    """Run the service while it is sampled; return the run, and what was sampled."""
    stop_cleanly()
    written = folder / "samples"
    async with a_stage(folder, under=("-m", "tests.bench.delivery.sampling", str(written))) as stage:
        groups = [await stage.register(f"group-{number}", fan_out) for number in range(FAN_OUT // fan_out)]
        await stage.warm(groups[-1])
        turns = itertools.cycle([[group] for group in groups])
        run = await stage.run(lambda s: stage.flood(OUTSTANDING, s, turns), protocol)
    sampled: dict[str, Any] = json.loads(written.read_text())
    return run, sampled


def told(run: Run, sampled: dict[str, Any], kind: str, most: int) -> list[str]:
    """The dearest functions in µs per delivery: `own`, or `whole` with what they call."""
    dearest = sorted(sampled[kind].items(), key=lambda entry: -entry[1])[:most]
    share = run.cpu_us / max(1, sampled["taken"])
    return table(["function", "µs each", "%"], [_line(name, count, share, sampled["taken"]) for name, count in dearest])


def by_package(run: Run, sampled: dict[str, Any], most: int) -> list[str]:
    """Own time by the folder a function lies in: a library, or a part of ours."""
    packages: Counter[str] = Counter()
    for name, count in sampled["own"].items():
        packages[name.partition("/")[0]] += count
    return told(run, {**sampled, "packages": packages}, "packages", most)


def _line(name: str, count: int, share: float, taken: int) -> list[str]:
    return [name, f"{count * share:.1f}", f"{100 * count / taken:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.delivery.profile")
    parser.add_argument("--seconds", type=float, nargs=2, default=(5.0, 10.0), metavar=("WARM", "MEASURED"))
    parser.add_argument("--most", type=int, default=30, help="how many functions to show (30)")
    parser.add_argument("--fan-out", type=int, default=FAN_OUT, help=f"endpoints that are owed each story ({FAN_OUT})")
    asked = parser.parse_args()
    warm, measured = asked.seconds
    with (
        tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        run, sampled = runner.run(profiled(Path(folder), Protocol(warm, measured, 1), asked.fan_out))
    head = f"{run.per_s:,.0f}/s at {run.cpu_us:.0f} µs of CPU each; {sampled['taken']} samples, start included"
    parts = [
        ("By package", by_package(run, sampled, asked.most)),
        ("Own time, C code it calls included", told(run, sampled, "own", asked.most)),
        ("With all that they call", told(run, sampled, "whole", asked.most)),
    ]
    sys.stdout.write("\n".join([head, *(line for title, lines in parts for line in ("", title, *lines)), ""]))


if __name__ == "__main__":
    main()
