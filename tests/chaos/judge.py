"""Is everything that was accepted accounted for, and did nothing happen that must not? Pure, over a history."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.accounting import OUTCOMES, UNEXPLAINED, account_for
from tests.chaos.agreement import judge_agreement
from tests.chaos.engine import judge_engine
from tests.chaos.history import History, Violation
from tests.chaos.orders import Orders, judge_orders
from tests.chaos.plan import Story
from tests.chaos.times import Times, judge_times

POISON = "poison"
MOST_DUPLICATES = 0.005
"""Of all deliveries, with faults; without faults there may be none."""
FEW_DUPLICATES = 100
"""What a dozen kills of the post leave in flight, one of them while no broker writes an answer down: in a short run no
share means anything."""

_SIGNS: dict[str, str] = {
    "embargo_falls_due": "an embargo that falls due",
    "flash_overtakes": "a flash among routine",
    "killed_by_two": "a kill by two people",
    "killed_at_once": "a kill by breaking the glass",
    "dead_on_arrival": "a kill of an unknown story",
}


@dataclass(slots=True)
class Judgement:
    """Counts per listener and outcome, and every violation; a run is good when there is none."""

    counts: dict[str, Counter[str]]
    orders: Orders
    times: Times
    violations: list[Violation]

    @property
    def total(self) -> Counter[str]:
        return sum(self.counts.values(), Counter())

    @property
    def good(self) -> bool:
        return not self.violations


def judge(history: History, exercised: frozenset[str] = frozenset(OUTCOMES)) -> Judgement:
    """Judge one run; `exercised` are the outcomes it was meant to have, each at least once."""
    counts, lost = account_for(history)
    orders, times = judge_orders(history), judge_times(history)
    violations = [*lost, *orders.violations, *times.violations, *judge_agreement(history), *judge_engine(history)]
    judgement = Judgement(counts, orders, times, violations)
    violations += _too_many(history, judgement)
    violations += _not_exercised(history, judgement, exercised)
    return judgement


def _too_many(history: History, judgement: Judgement) -> Iterator[Violation]:
    deliveries = sum(one.taken for listener in history.listeners if listener.is_endpoint for one in listener.came)
    duplicates = sum(judgement.orders.near_faults[one.name] for one in history.listeners if one.is_endpoint)
    if duplicates > max(FEW_DUPLICATES, deliveries * MOST_DUPLICATES):
        yield Violation("duplicates", "-", "webhooks", f"{duplicates} of {deliveries} deliveries came twice")


def _not_exercised(history: History, judgement: Judgement, exercised: frozenset[str]) -> Iterator[Violation]:
    """A run that had none of something proves nothing about it."""
    total = judgement.total
    missing = [f"nothing is {outcome}" for outcome in sorted(exercised) if not total[outcome]]
    told = {account.story.case for account in history.ledger.accounts.values() if _was_told(account.story, history)}
    missing += [f"there is not {sign}" for case, sign in _SIGNS.items() if case not in told]
    missing += [
        f"no {kind} took effect" for kind in sorted(history.planned_kinds - {one.kind for one in history.events})
    ]
    missing += [f"{one.name} got nothing" for one in history.listeners if not one.came and not one.manner.dead]
    if POISON in history.planned_kinds and not any(service != "ingest" for service, _ in history.dead_letters):
        missing.append("no poison is parked")
    if history.replays and not judgement.orders.replayed:
        missing.append("nothing came again for a replay")
    if not history.ledger.accepted:
        missing.append("nothing was accepted")
    if not history.view_answers:
        missing.append("no view answered")
    for what in missing:
        yield Violation("not exercised", "-", "the run", what)


def _was_told(story: Story, history: History) -> bool:
    return all(
        entry.accepted or "invalid" in entry.step.ends for entry in history.ledger.accounts[story.story_id].entries
    )


__all__ = ["OUTCOMES", "UNEXPLAINED", "Judgement", "judge"]
