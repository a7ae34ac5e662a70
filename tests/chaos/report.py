"""How does the outcome of a run look? One table for people, and the whole of it in a file."""

import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.history import History
from tests.chaos.judge import OUTCOMES, UNEXPLAINED, Judgement
from tests.chaos.schedule import PROCESS_KILLS

SHOWN = 40
"""Violations printed; the file has all."""


def table(history: History, judgement: Judgement, title: str) -> str:
    """Return the table: what became of everything, per listener, then faults, duplicates and times."""
    return "\n".join([title, "", *_outcomes(history, judgement), "", *_figures(history, judgement), *_wrong(judgement)])


def keep(folder: Path, text: str, history: History, judgement: Judgement) -> Path:
    """Write the table and every violation into a file of its own, the history beside it; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + sum(1 for _ in folder.glob("run-*.txt"))
    path = folder / f"run-{number:03}.txt"
    every = "\n".join(str(one) for one in judgement.violations)
    path.write_text(f"{text}\n\nevery violation\n{every or 'none'}\n")
    path.with_suffix(".history").write_bytes(pickle.dumps(history))
    return path


def reread(path: Path) -> History:
    """Return a history that `keep` wrote, to be judged again."""
    history: History = pickle.loads(path.read_bytes())  # noqa: S301 - our own file
    return history


def _outcomes(history: History, judgement: Judgement) -> Iterator[str]:
    columns = [*OUTCOMES, UNEXPLAINED]
    yield f"{'':<16}{'accepted':>9}" + "".join(f"{name:>{max(11, len(name) + 1)}}" for name in columns)
    for listener in history.listeners:
        yield _row(listener.name, judgement.counts[listener.name])
    yield _row("all together", judgement.total)


def _row(name: str, counts: Counter[str]) -> str:
    columns = [*OUTCOMES, UNEXPLAINED]
    cells = "".join(f"{counts[column]:>{max(11, len(column) + 1)}}" for column in columns)
    return f"{name:<16}{sum(counts.values()):>9}{cells}"


def _figures(history: History, judgement: Judgement) -> Iterator[str]:
    ledger, orders, times = history.ledger, judgement.orders, judgement.times
    webhooks = sum(len(one.came) for one in history.listeners if one.is_endpoint)
    faults = Counter(event.kind for event in history.events)
    repeated = ", ".join(f"{count} × {why}" for why, count in ledger.repeats.most_common()) or "none"
    yield f"stories {len(ledger.accounts)}, steps accepted {ledger.accepted}, requests repeated: {repeated}"
    yield f"webhooks {webhooks}; on streams {sum(len(one.came) for one in history.listeners if not one.is_endpoint)}"
    yield f"faults: {', '.join(f'{count} × {kind}' for kind, count in sorted(faults.items())) or 'none'}"
    kills = sum(count for kind, count in faults.items() if kind in {str(each) for each in PROCESS_KILLS})
    yield f"process kills {kills}; recovery after a kill: {_spread(history.recoveries)}"
    yield f"duplicates near faults {dict(orders.near_faults) or 0}, without faults {orders.without_faults}"
    yield f"replays {_replays(history)}; came again for them {dict(orders.replayed) or 0}"
    yield f"breakers that are not closed: {_left_alone(history)}"
    late = times.late_calm, times.late_near_faults
    yield f"embargoes late, calm: {_spread(sorted(late[0]))}; near faults: {_spread(sorted(late[1]))}"
    yield f"texts within a second of their kill {times.racing}; reconnects of streams " + str(
        {one.name: one.reconnects for one in history.listeners if not one.is_endpoint}
    )
    gaps = [f"{one.name}: {gap}" for one in history.listeners for gap in one.gaps]
    yield f"gaps told on streams: {', '.join(gaps) or 'none'}"
    letters = Counter(service for service, _ in history.dead_letters)
    yield f"dead letters {dict(letters) or 0}; pages answered {history.view_answers}"


def _replays(history: History) -> str:
    return ", ".join(f"{one.name}: {one.state or 'unheard'}, {one.sent} sent" for one in history.replays) or "none"


def _left_alone(history: History) -> str:
    return ", ".join(f"{name}: {state}" for name, state in history.left_alone.items() if state != "closed") or "none"


def _wrong(judgement: Judgement) -> Iterator[str]:
    yield ""
    if judgement.good:
        yield "nothing unexplained: 0 lost, 0 out of order, 0 resurrected, 0 early"
        return
    kinds = Counter(one.kind for one in judgement.violations)
    yield "VIOLATIONS " + ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
    yield from (f"  {one}" for one in judgement.violations[:SHOWN])


def _spread(values: list[float]) -> str:
    if not values:
        return "none"
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    shown = (f"{name} {values[min(len(values) - 1, int(len(values) * share))]:.3f} s" for name, share in at.items())
    return f"{len(values)}: {', '.join(shown)}"
