"""`make chaos`: run a whole wire under load and faults, and account for every story. `python -m tests.chaos --help`."""

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import report, schedule
from tests.chaos.conducting import conduct
from tests.chaos.fault_book import inflict
from tests.chaos.instance import chaos_wire
from tests.chaos.judge import OUTCOMES, judge
from tests.chaos.plan import stories
from tests.chaos.schedule import Planned

REPORTS = Path(".local") / "chaos"
EXERCISED = frozenset(OUTCOMES) - {"parked"}
"""Nothing that is accepted may be parked: only poison is."""

EXAMPLES = """
examples:
  python -m tests.chaos                               five minutes, ten stories a second, a seed of chance
  python -m tests.chaos --minutes 5 --seed 17         the faults and filings of seed 17
  python -m tests.chaos --minutes 5 --seed 17 --plan  show them, and run nothing
  python -m tests.chaos --judge .local/chaos/run-001.history      judge a run that is over once more
  python -m tests.chaos --minutes 2 --no-faults       load alone: then there may be no duplicate at all
"""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Tell stories to a wire of its own while processes are killed, and prove that nothing is lost.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="how long stories are told (default 5)")
    parser.add_argument("--seed", type=int, default=None, help="decides filings and faults (default: drawn, printed)")
    parser.add_argument("--rate", type=float, default=10.0, help="stories a second (default 10)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to wait for what is owed at the end")
    parser.add_argument("--no-faults", action="store_true", help="inflict nothing")
    parser.add_argument("--plan", action="store_true", help="print filings and faults, run nothing")
    parser.add_argument(
        "--data", type=Path, default=None, help="where the wire keeps its state (default: a new folder)"
    )
    parser.add_argument("--judge", type=Path, default=None, metavar="FILE", help="judge a kept history again")
    return parser.parse_args(words)


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(given: Sequence[str] | None = None) -> int:
    """Run as asked; 0 when nothing is unexplained."""
    asked = arguments(given)
    if asked.judge is not None:
        return _again(asked.judge)
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000)
    faults = [] if asked.no_faults else schedule.planned(seed, asked.minutes)
    if asked.plan:
        for story in stories(seed, asked.rate, asked.minutes * 60):
            say(f"{story.at_s:8.1f} s  {story.story_id}  {story.case} ({len(story.steps)} steps) of {story.source}")
        say(schedule.rendered(faults))
        return 0
    say(f"seed {seed}, {asked.minutes:g} minutes, {asked.rate:g} stories a second, {len(faults)} faults")
    data = asked.data or Path(tempfile.mkdtemp(prefix="wire-chaos-"))
    code = asyncio.run(_run(asked, seed, faults, data))
    if code == 0 and asked.data is None:
        shutil.rmtree(data, ignore_errors=True)
    else:
        say(f"the wire's logs are in {data / 'logs'}")
    return code


async def _run(asked: argparse.Namespace, seed: int, faults: list[Planned], data: Path) -> int:
    told = list(stories(seed, asked.rate, asked.minutes * 60))
    async with chaos_wire(data, own_disk=True) as chaos:
        say("the wire is up")
        history = await conduct(
            chaos.wire,
            seed,
            told,
            inflict=lambda book: inflict(chaos, faults, book),
            say=say,
            patience_s=asked.patience,
            asks_again=True,
        )
    history.planned_kinds = frozenset(str(one.kind) for one in faults)
    judgement = judge(history, EXERCISED)
    title = f"chaos: seed {seed}, {asked.minutes:g} minutes, {asked.rate:g} stories a second"
    text = report.table(history, judgement, title)
    say(text)
    say(f"\nreport: {report.keep(REPORTS, text, history, judgement)}")
    return 0 if judgement.good else 1


def _again(path: Path) -> int:
    """Judge a kept history once more."""
    history = report.reread(path)
    judgement = judge(history, EXERCISED)
    say(report.table(history, judgement, f"chaos: {path}"))
    return 0 if judgement.good else 1


if __name__ == "__main__":
    sys.exit(main())
