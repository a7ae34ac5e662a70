"""Where is everything that was accepted? Per story and listener each release is delivered, or there is a reason."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from tests.chaos.books import Account, Entry
from tests.chaos.filters import Told, wants, words_of
from tests.chaos.history import History, Violation, was_released
from tests.chaos.recordings import Listener, overlaps
from tests.chaos.wording import body, headline

OUTCOMES = (
    "delivered",
    "superseded",
    "filtered",
    "killed",
    "withheld",
    "held",
    "embargoed",
    "rejected",
    "duplicate",
    "parked",
    "undeliverable",
)
UNEXPLAINED = "unexplained"
WELL_AFTER_S = 3.0
"""What was filed so much later may not come to a healthy endpoint so much sooner."""

_ENDS_AS = {"kill": "killed", "withhold": "withheld"}
_BACK_LATER = frozenset({None, "retrying", "pending", "sending"})
_GIVEN_UP = frozenset({"expired", "failed"})


def account_for(history: History) -> tuple[dict[str, Counter[str]], list[Violation]]:
    """Return how much of what there is at each listener, and what nothing explains."""
    counts: dict[str, Counter[str]] = {listener.name: Counter() for listener in history.listeners}
    violations: list[Violation] = []
    for account in history.ledger.accounts.values():
        for listener in history.listeners:
            for step, outcome, why in Reckoning(history, account, listener).lines():
                counts[listener.name][outcome] += 1
                if why:
                    kind = "unasked" if outcome == "delivered" else "lost"
                    detail = f"{account.story.case} step {step}: {why}"
                    violations.append(Violation(kind, account.story.story_id, listener.name, detail))
    return counts, violations


def is_settled(history: History, account: Account) -> bool:
    """Whether nothing of a story can still come, but to an endpoint that is dead."""
    return not any(
        outcome in {UNEXPLAINED, "undeliverable"}
        for listener in history.listeners
        if not listener.manner.dead
        for _, outcome, _ in Reckoning(history, account, listener).lines()
    )


def told(account: Account, step: int) -> Told:
    """What a filter may be judged on, from what the driver filed."""
    story, filed = account.story, account.entries[step]
    text_no = _text_of(account, step)
    text = account.story.steps[text_no]
    return Told(
        source=story.source,
        urgency=text.urgency,
        lane=account.entries[text_no].lane if filed.step.act == "release" else filed.lane,
        language="en",
        words=_words(f"{story.seed} {text_no}", text.mark, story.topic, text.held),
    )


@lru_cache(maxsize=64)
def _words(seed: str, mark: str, topic: str, held: bool) -> frozenset[str]:
    return words_of(headline(mark, topic), body(Random(seed), mark, topic, held=held))


def _text_of(account: Account, step: int) -> int:
    """The step that holds the text which this one shows."""
    mark = (account.story.steps[step].key or ("", ""))[1]
    return next((number for number, one in enumerate(account.story.steps) if one.mark == mark), step)


@dataclass(slots=True)
class Reckoning:
    """One story at one listener."""

    history: History
    account: Account
    listener: Listener

    def lines(self) -> Iterator[tuple[int, str, str]]:
        """Yield each accepted step as (number, outcome, what is wrong with it or "")."""
        seen = self.history.steps_seen(self.listener, self.account.story.story_id)
        owed = perhaps = False
        for number, entry in enumerate(self.account.entries):
            if not entry.accepted or (entry.step.key is None and entry.step.act not in {"file", "correct"}):
                continue
            released = was_released(entry)
            if released is False:
                yield number, *self._unreleased(number, entry, seen)
                continue
            wanted = self._wanted(number, entry)
            owed = owed or (wanted and released is True)
            perhaps = perhaps or wanted
            # what its own flash overtook may come after all: the endpoint is a recipient of the story by then
            mine, maybe = (owed, perhaps or self._wants_some()) if self.listener.is_endpoint else (wanted, wanted)
            if number in seen:
                owed = owed or perhaps  # it has been sent something: whatever follows it is owed too
                yield number, "delivered", "" if maybe else "its filter does not want it, and never did"
            elif not mine:
                yield number, "killed" if perhaps else "filtered", ""
            else:
                yield number, *self._explained(number, entry, seen)

    def _wanted(self, number: int, entry: Entry) -> bool:
        """Whether the filter alone asks for it; a notice makes nobody a recipient, but every kill is on the stream."""
        if entry.step.is_notice:
            on_stream = not self.listener.is_endpoint
            return on_stream and (entry.step.key == ("kill", "") or self._wants_some())
        return wants(self.listener.wanted, told(self.account, number))

    def _wants_some(self) -> bool:
        """Whether its filter alone asks for any release of the story."""
        texts = [n for n, one in enumerate(self.account.entries) if was_released(one) is not False]
        return any(
            wants(self.listener.wanted, told(self.account, n))
            for n in texts
            if not self.account.entries[n].step.is_notice
        )

    @staticmethod
    def _unreleased(number: int, entry: Entry, seen: set[int]) -> tuple[str, str]:
        if number in seen:
            return "delivered", f"it came, and its receipt says {entry.receipt or 'nothing'}"
        outcome = "duplicate" if entry.twice and entry.step.again is not None else entry.step.counts_as or entry.receipt
        if outcome in OUTCOMES and outcome != "delivered":
            return outcome, ""
        return UNEXPLAINED, f"its receipt says {entry.receipt or 'nothing'}"

    def _explained(self, number: int, entry: Entry, seen: set[int]) -> tuple[str, str]:
        """Why a release that is owed did not come."""
        if self._undeliverable(number, entry):
            return "undeliverable", ""
        newer = [(n, one) for n, one in enumerate(self.account.entries) if n > number and was_released(one)]
        for n, one in newer:
            there = n in seen or self._undeliverable(n, one)
            if there and not self._had_time(number, entry, one) and self._may_replace(number, entry, one):
                return _ENDS_AS.get((one.step.key or ("",))[0], "superseded"), ""
        if name := self._ended_before_it_came(number, entry, seen):
            return name, ""
        row = self._row(number)
        return UNEXPLAINED, f"owed and not there; took steps {sorted(seen)}, the product says {row or 'nothing'}"

    def _ended_before_it_came(self, number: int, entry: Entry, seen: set[int]) -> str:
        """The notice that overtook the story before this listener was sent a word of it: it needs none then."""
        for n, one in enumerate(self.account.entries):
            is_reason = n > number or (n == number and self.listener.is_endpoint)
            had_some = any(step < n for step in seen)
            if is_reason and one.step.is_notice and was_released(one) and not had_some:
                return "" if self._had_time(number, entry, one) else _ENDS_AS[(one.step.key or ("",))[0]]
        return ""

    def _may_replace(self, number: int, entry: Entry, newer: Entry) -> bool:
        """`latest` takes the newest; `every` may miss only what a notice ended or the story's own flash overtook."""
        if newer.step.is_notice or (self.listener.is_endpoint and self.listener.ordering == "latest"):
            return True
        overtaken = newer.lane == "flash" and entry.lane == "routine"
        return overtaken and self._row(number) in {None, "superseded"}

    def _had_time(self, number: int, entry: Entry, newer: Entry) -> bool:
        """Whether it would have come before the newer one was asked for, had it not been lost.

        So it is where nothing was broken, what was filed well after it was there by then, and the product has no
        record of having let it go.
        """
        if self._row(number) is not None:
            return False
        begin, end = max(entry.answered_at, entry.until), newer.asked_at
        calm = self.listener.manner.healthy and not overlaps(self.history.windows, begin, end)
        return calm and self.history.first_filed_after(self.listener, begin + WELL_AFTER_S) < end

    def _undeliverable(self, number: int, entry: Entry) -> bool:
        """Whether the endpoint itself kept it from coming; accepted only where it really refused or was away."""
        manner = self.listener.manner
        if not self.listener.is_endpoint or manner.healthy or not self._is_still_owed(number):
            return False
        if manner.dead or any(self.begun + back >= entry.asked_at for _, back in manner.away):
            return True
        return self._refused(number) or self._stands_behind_another(number)

    @property
    def begun(self) -> float:
        return self.history.ledger.begun

    def _is_still_owed(self, number: int) -> bool:
        row = self._row(number)
        return row in _BACK_LATER or row in _GIVEN_UP

    def _refused(self, number: int) -> bool:
        story_id = self.account.story.story_id
        numbers = self.history.numbers.get(story_id, {})
        tries = [one for one in self.history.came_to(self.listener, story_id) if numbers[one.release_no] == number]
        return bool(tries) and not any(one.taken for one in tries)

    def _stands_behind_another(self, number: int) -> bool:
        """Under `every` a story waits for its earlier release."""
        earlier = list(enumerate(self.account.entries))[:number]
        return self.listener.ordering == "every" and any(
            was_released(one) and self._undeliverable(n, one) for n, one in earlier
        )

    def _row(self, number: int) -> str | None:
        if self.history.rows is None:
            return None
        story_id = self.account.story.story_id
        release_no = self.history.number_of(story_id, number)
        return self.history.rows.get((self.listener.endpoint_id, story_id, release_no or 0))
