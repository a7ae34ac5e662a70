"""What is a bench of several rows asked for on the command line, and how are its rows run one after the other?"""

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bars import Figure


@dataclass(frozen=True, slots=True)
class Protocol:
    """How long a run lasts, how often it is repeated, and what its sizes are divided by."""

    warm_up_s: float
    measured_s: float
    runs: int
    shrunk: int = 1


Say = Callable[[str], None]
Row = Callable[[Path, Protocol, Say], Awaitable[list[Figure]]]
"""A row of the table; the first line of its docstring is told before it runs. The folder is its own."""

FULL = Protocol(warm_up_s=20, measured_s=60, runs=3)
QUICK = Protocol(warm_up_s=5, measured_s=10, runs=1, shrunk=20)


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows that are to run, and how; `keeps`: whether the report is kept with the others."""

    rows: Sequence[str]
    protocol: Protocol
    keeps: bool


def asked(prog: str, description: str, rows: Mapping[str, Row], examples: str) -> Asked:
    """Read the command line; ends the process with a sentence where it cannot be understood."""
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def row(name: str) -> str:
        if name not in rows:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(rows)}")
        return name

    parser.add_argument(
        "rows", nargs="*", type=row, metavar="ROW", help=f"which to run, all unless said: {', '.join(rows)}"
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
    told = parser.parse_args()
    protocol = QUICK if told.quick else FULL
    if told.tried:
        warm_up, measured, shrunk = told.tried
        protocol = Protocol(warm_up, measured, runs=1, shrunk=int(shrunk))
    names = [name for name in rows if name in told.rows] if told.rows else list(rows)
    return Asked(names, protocol, told.keep or (protocol is FULL and not told.rows))


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def figures_of(rows: Mapping[str, Row], names: Sequence[str], protocol: Protocol) -> list[Figure]:
    """Run rows, each in a folder of its own, and say what they find as they find it."""
    figures: list[Figure] = []
    for name in names:
        say(f"{name}: {(rows[name].__doc__ or '').splitlines()[0]}")
        with tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder:
            found = await rows[name](Path(folder), protocol, say)
        for figure in found:
            say("    " + " | ".join(figure.cells))
        figures += found
    return figures


def inside(folder: Path, name: str) -> Path:
    """A new folder in this one, for a part of a row."""
    (folder / name).mkdir()
    return folder / name
