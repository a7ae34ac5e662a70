"""`python -m tests.bench.delivery`: measure webhooks on this machine; each figure is printed beside floor and aim."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.bench.delivery.accounts import verdict
from tests.bench.delivery.measured import Figure
from tests.bench.delivery.process import stop_cleanly
from tests.bench.delivery.rows import ROWS
from tests.bench.delivery.stage import Protocol
from tests.bench.delivery.yardsticks import Yardsticks, yardsticks
from tests.bench.figures import table
from tests.bench.kept import KEPT_IN, keep
from tests.bench.machine import commit_at_hand, where

COMMAND = "make bench-delivery"
FULL = Protocol(warm_up_s=20, measured_s=60, runs=3)
QUICK = Protocol(warm_up_s=5, measured_s=10, runs=1, shrunk=20)
BARE_SHARE = 0.47
"""On another machine the floor of the sustained rate is this part of the bare worker's: 12,000 of 25,500."""


def main() -> int:
    """Run the rows that are asked for; 1 where a figure is below its floor or a row lost anything."""
    asked = _parser().parse_args()
    protocol = QUICK if asked.quick else FULL
    if asked.tried:
        warm_up, measured, shrunk = asked.tried
        protocol = Protocol(warm_up, measured, runs=1, shrunk=int(shrunk))
    names = [name for name in ROWS if name in asked.rows] if asked.rows else list(ROWS)
    commit = commit_at_hand()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bare, figures = runner.run(_measure(names, protocol))
    report = _report(bare, figures, protocol, commit)
    say("\n" + report)
    if asked.keep or (protocol is FULL and not asked.rows):
        keep(COMMAND, report)
        say(f"Kept in {KEPT_IN}.")
    return 0 if all(map(_passes, figures)) else 1


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _measure(names: Sequence[str], protocol: Protocol) -> tuple[Yardsticks, list[Figure]]:
    stop_cleanly()
    say("The bare loops")
    with tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder:
        bare = await yardsticks(Path(folder), protocol)
    say(f"    worker {bare.worker.per_s:,.0f}/s, sender {bare.sender.per_s:,.0f}/s")
    figures: list[Figure] = []
    for name in names:
        say(f"{name}: {(ROWS[name].__doc__ or '').splitlines()[0]}")
        with tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder:
            found = await ROWS[name](Path(folder), protocol, say)
        for figure in found:
            say("    " + " | ".join(_cells(figure)))
        figures += found
    return bare, figures


def _passes(figure: Figure) -> bool:
    if figure.value is None or not figure.sound:
        return False
    return verdict(figure.value, figure.bar.floor, figure.bar.aim) != "BELOW"


def _cells(figure: Figure) -> list[str]:
    bar = figure.bar
    if figure.value is None:
        found, judged = "not measured", "-"
    else:
        found = f"{_number(figure.value)} {bar.unit}"
        judged = verdict(figure.value, bar.floor, bar.aim) if figure.sound else "NOT SOUND"
    return [bar.what, found, f"{_number(bar.floor)}", f"{_number(bar.aim)}", judged, figure.remark]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def _report(bare: Yardsticks, figures: Sequence[Figure], protocol: Protocol, commit: str) -> str:
    loops = {
        "bare sender (httptools, signed, 100 connections)": bare.sender,
        "bare receiver (what it could take alone)": bare.receiver,
        "bare worker (Kafka, signed POST, attempt record, commit)": bare.worker,
    }
    rows = [[what, f"{one.per_s:,.0f}", f"{one.cpu_us:.1f}"] for what, one in loops.items()]
    sustained = next((figure.value for figure in figures if figure.bar.unit == "/s" and figure.value), None)
    of_bare = [
        f"The sustained rate is {sustained / bare.worker.per_s:.2f} of the bare worker's (the floor is {BARE_SHARE})."
        if sustained and bare.worker.per_s
        else "The sustained rate was not measured in this run."
    ]
    return "\n".join(
        [
            "## Delivery",
            "",
            f"The last run of `{COMMAND}`: {protocol.warm_up_s:g} s of warm-up, {protocol.measured_s:g} s measured,",
            f"{protocol.runs} time(s), medians; bursts, queues and replays are 1/{protocol.shrunk} of their size.",
            "Broker, receivers, load and distribution share the machine. A row is sound when every webhook that was",
            "owed arrived, once, and every sampled signature was verified by `standardwebhooks`.",
            "",
            *where(commit),
            "",
            *table(["what", "found", "floor", "aim", "verdict", "remark"], [_cells(figure) for figure in figures]),
            "",
            "The bare loops of the same run:",
            "",
            *table(["loop", "a second", "µs CPU each"], rows),
            "",
            *of_bare,
        ]
    )


def _row(name: str) -> str:
    if name not in ROWS:
        raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(ROWS)}")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.delivery",
        description="Measure webhooks: rate, CPU, latency, fairness, memory; each figure beside its floor and aim.",
        epilog="example: python -m tests.bench.delivery --quick fan-out steady",
    )
    parser.add_argument(
        "rows", nargs="*", type=_row, metavar="ROW", help=f"which to run, all unless said: {', '.join(ROWS)}"
    )
    parser.add_argument("--quick", action="store_true", help="5 s of warm-up, 10 s measured, once; sizes by 20")
    parser.add_argument(
        "--tried",
        type=float,
        nargs=3,
        metavar=("WARM", "MEASURED", "SHRUNK"),
        help="once, with these seconds and sizes by SHRUNK: does a row work?",
    )
    parser.add_argument("--keep", action="store_true", help="put also a report of less than all in docs/benchmarks.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
