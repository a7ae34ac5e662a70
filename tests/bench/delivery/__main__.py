"""`python -m tests.bench.delivery`: measure webhooks on this machine; each figure is printed beside floor and aim."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.bench.bars import Figure, judged
from tests.bench.command import Protocol, asked, figures_of, say
from tests.bench.delivery.rows import ROWS
from tests.bench.delivery.yardsticks import Yardsticks, yardsticks
from tests.bench.figures import table
from tests.bench.kept import KEPT_IN, keep
from tests.bench.machine import commit_at_hand, where
from tests.bench.process import stop_cleanly

COMMAND = "make bench-delivery"
BARE_SHARE = 0.47
"""On another machine the floor of the sustained rate is this part of the bare worker's: 12,000 of 25,500."""


def main() -> int:
    """Run the rows that are asked for; 1 where a figure is below its floor or a row lost anything."""
    wanted = asked(
        "python -m tests.bench.delivery",
        "Measure webhooks: rate, CPU, latency, fairness, memory; each figure beside its floor and aim.",
        ROWS,
        "example: python -m tests.bench.delivery --quick fan-out steady",
    )
    commit = commit_at_hand()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bare, figures = runner.run(_measure(wanted.rows, wanted.protocol))
    report = _report(bare, figures, wanted.protocol, commit)
    say("\n" + report)
    if wanted.keeps:
        keep(COMMAND, report)
        say(f"Kept in {KEPT_IN}.")
    return 0 if all(figure.passes for figure in figures) else 1


async def _measure(names: Sequence[str], protocol: Protocol) -> tuple[Yardsticks, list[Figure]]:
    stop_cleanly()
    say("The bare loops")
    with tempfile.TemporaryDirectory(prefix="slugline-bench-") as folder:
        bare = await yardsticks(Path(folder), protocol)
    say(f"    worker {bare.worker.per_s:,.0f}/s, sender {bare.sender.per_s:,.0f}/s")
    return bare, await figures_of(ROWS, names, protocol)


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
            *judged(figures),
            "",
            "The bare loops of the same run:",
            "",
            *table(["loop", "a second", "µs CPU each"], rows),
            "",
            *of_bare,
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
