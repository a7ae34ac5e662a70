"""How does a history look in which everything went well? Made by hand, for tests to spoil one thing in."""

from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.books import Account, Ledger
from tests.chaos.history import History, Violation, was_released
from tests.chaos.judge import judge
from tests.chaos.orders import judge_orders
from tests.chaos.plan import story
from tests.chaos.recordings import Listener, Manner, Seen, Window
from tests.chaos.times import not_before

NOON = 1_764_000_000.0
WELL = Manner()
PREFERRED = ("released", "applied", "killed", "held", "rejected", "embargoed", "superseded", "duplicate")


def told(case: str, number: int = 0, apart_s: float = 1.0, later_s: float = 0.0) -> Account:
    """A story of one case, filed `later_s` after noon and settled as planned, its steps `apart_s` seconds apart."""
    account = Account.of(story("hand-made", number, case, 0.0, (2.0, 3.0)))
    for place, entry in enumerate(account.entries):
        entry.asked_at = NOON + later_s + place * apart_s
        entry.answered_at = entry.settled_at = entry.asked_at + 0.1
        entry.status, entry.tries, entry.event_id = 202, 1, f"{case}-{number}-{place}"
        entry.lane = "flash" if entry.step.flash else "routine"
        entry.until = entry.asked_at + entry.step.embargo_s if entry.step.embargo_s else 0.0
        entry.receipt = next((end for end in PREFERRED if end in entry.step.ends), "")
        entry.settled = "released" if entry.step.settle and entry.step.key else ""
    return account


def on_the_wire(account: Account) -> list[Seen]:
    """Every release of a story as it comes to somebody who wants all, each when it may."""
    numbered = [place for place, entry in enumerate(account.entries) if was_released(entry) is not False]
    return [release(account, place, number) for number, place in enumerate(numbered, 1)]


def release(account: Account, place: int, number: int) -> Seen:
    story, entry = account.story, account.entries[place]
    kind, mark = entry.step.key or ("", "")
    since = 0.0 if entry.step.freed_by is not None else not_before(account, place)
    freed = account.entries[entry.step.freed_by].answered_at if entry.step.freed_by is not None else 0.0
    at = max(entry.answered_at, since, freed) + 0.05 + number / 100
    shown = {"text": "publish" if number == 1 else "update"}.get(kind, kind)
    return Seen(story.story_id, number, shown, mark, at, f"digest {number}", f"dlv_{story.number}_{number}")


@dataclass
class Made:
    """A history of some stories at one endpoint beside a reader of the whole stream."""

    accounts: list[Account]
    ordering: Any = "latest"
    wanted: dict[str, Any] = field(default_factory=dict)
    manner: Manner = WELL
    windows: list[Window] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.endpoint = Listener("endpoint", "webhook", self.ordering, self.wanted, self.manner, "end_1")
        self.stream = Listener("stream", "stream", "every", {})
        releases = [one for account in self.accounts for one in on_the_wire(account)]
        self.stream.came = sorted((replace(one, webhook_id="") for one in releases), key=lambda one: one.at)
        sent = {one.story_id for one in releases if not one.is_notice}
        self.endpoint.came = sorted((one for one in releases if one.story_id in sent), key=lambda one: one.at)
        self.rows = {("end_1", one.story_id, one.release_no): "delivered" for one in self.endpoint.came}

    def lose(self, *numbers: int) -> None:
        """Let these releases never come to the endpoint, and the product say nothing of them."""
        self.endpoint.came = [one for one in self.endpoint.came if one.release_no not in numbers]
        self.rows = {place: state for place, state in self.rows.items() if place[2] not in numbers}

    def row(self, number: int, state: str) -> None:
        """Let the product's log say this of a release at the endpoint."""
        self.rows["end_1", self.accounts[0].story.story_id, number] = state

    def history(self, **more: Any) -> History:
        ledger = Ledger(NOON, {account.story.story_id: account for account in self.accounts})
        return History(ledger, [self.endpoint, self.stream], self.windows, self.rows, **{"view_answers": 1, **more})

    def violations(self, **more: Any) -> list[Violation]:
        """What the judge finds, but for what a run of one story cannot have exercised."""
        found = judge(self.history(**more), frozenset()).violations
        return [one for one in found if one.kind != "not exercised"]

    def kinds(self, **more: Any) -> set[str]:
        return {one.kind for one in self.violations(**more)}

    def outcomes(self) -> list[str]:
        """What the endpoint's releases are counted as, most first by name."""
        counts = judge(self.history(), frozenset()).counts["endpoint"]
        return sorted(counts.elements())


def near(at: float, kind: str = "kill -9") -> Window:
    """A fault around a moment."""
    return Window(kind, "distribution", at - 0.5, at + 0.5)


def repeats(made: Made) -> int:
    return judge_orders(made.history()).duplicates
