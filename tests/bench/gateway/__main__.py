"""`python -m tests.bench.gateway`: measure the gateway on this machine; each figure is printed beside floor and aim."""

import asyncio
import sys
from collections.abc import Sequence

import uvloop

from tests.bench.bars import Figure, judged
from tests.bench.command import Protocol, asked, figures_of, say
from tests.bench.gateway.nginx import MISSING, found
from tests.bench.gateway.rows import ROWS
from tests.bench.kept import KEPT_IN, keep
from tests.bench.machine import commit_at_hand, raise_open_files, where
from tests.bench.process import stop_cleanly

COMMAND = "make bench-gateway"
DESCRIPTORS = 10_500
"""What the gateway and the load client each need for ten thousand connections."""
EXAMPLES = """\
examples:
  python -m tests.bench.gateway --quick               every row, small and once
  python -m tests.bench.gateway steady filters        two rows, in full
  python -m tests.bench.gateway --tried 1 2 200 flash does the row work?

nginx with its nchan module is measured beside the gateway where both are found: Debian's nginx and
libnginx-mod-nchan, or an nginx that comes first on PATH with ../lib/nginx/modules/ngx_nchan_module.so.
"""


def main() -> int:
    """Run the rows that are asked for; 1 where a figure is below its floor, was not measured, or anything was lost."""
    wanted = asked(
        "python -m tests.bench.gateway",
        "Measure the gateway's streams and reads: CPU, latency, memory; each figure beside its floor and aim.",
        ROWS,
        EXAMPLES,
    )
    commit = commit_at_hand()
    if (most := raise_open_files()) < DESCRIPTORS:
        say(f"This machine lets a process open {most} files: rows of 10,000 clients need {DESCRIPTORS} (ulimit -Hn).")
    say(f"nginx with nchan: {installed[0]}" if (installed := found()) else MISSING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(_measure(wanted.rows, wanted.protocol))
    report = _report(figures, wanted.protocol, commit)
    say("\n" + report)
    if wanted.keeps:
        keep(COMMAND, report)
        say(f"Kept in {KEPT_IN}.")
    return 0 if all(figure.passes for figure in figures) else 1


async def _measure(names: Sequence[str], protocol: Protocol) -> list[Figure]:
    stop_cleanly()
    return await figures_of(ROWS, names, protocol)


def _report(figures: Sequence[Figure], protocol: Protocol, commit: str) -> str:
    return "\n".join(
        [
            "## Gateway",
            "",
            f"The last run of `{COMMAND}`: {protocol.warm_up_s:g} s of warm-up, {protocol.measured_s:g} s measured,",
            f"{protocol.runs} time(s), medians; crowds of 10,000 are 1/{protocol.shrunk} of their size.",
            "Broker, Redis, load client and one gateway process share the machine; stories are 512 bytes. A row is",
            "sound when every client got as many stories as it was owed, and the sample each of them once, in order.",
            "",
            *where(commit),
            "",
            *judged(figures),
            "",
            f"nginx with nchan: {'measured beside it' if found() else MISSING}.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
