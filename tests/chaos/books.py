"""What was the driver promised? Its own books, kept outside the wire: every request, what it was told, and when."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.plan import Step, Story


@dataclass(slots=True)
class Entry:
    """One step as it went; times in epoch seconds, 0.0 for not yet. `tries` counts requests, the repeated ones too.

    `settled_at`: when a receipt first said more than `received`, and what it said; `receipt`: what it says at last.
    `until`: the embargo that was asked for. `twice`: the answer pointed to an earlier filing of the same text.
    """

    step: Step
    asked_at: float = 0.0
    answered_at: float = 0.0
    status: int = 0
    tries: int = 0
    event_id: str = ""
    decision_id: str = ""
    lane: str = ""
    until: float = 0.0
    twice: bool = False
    settled_at: float = 0.0
    settled: str = ""
    receipt: str = ""
    release_no: int | None = None

    @property
    def accepted(self) -> bool:
        return self.status in {200, 202}


@dataclass(slots=True)
class Account:
    """One story as it went; `broken` says why the driver gave up on it, if it did."""

    story: Story
    entries: list[Entry]
    broken: str = ""

    @classmethod
    def of(cls, story: Story) -> "Account":
        return cls(story, [Entry(step) for step in story.steps])


@dataclass(slots=True)
class Ledger:
    """Every story that was begun, by its id, and what it took to get an answer."""

    begun: float = 0.0
    """When the first story was to be told (epoch seconds)."""
    accounts: dict[str, Account] = field(default_factory=dict)
    repeats: Counter[str] = field(default_factory=Counter)
    """Requests that had to be repeated, by what came instead of an answer (`503`, `ConnectError`, …)."""

    def open(self, story: Story) -> Account:
        account = self.accounts[story.story_id] = Account.of(story)
        return account

    def entries(self) -> Iterator[tuple[Account, Entry]]:
        for account in self.accounts.values():
            for entry in account.entries:
                yield account, entry

    @property
    def accepted(self) -> int:
        return sum(entry.accepted for _, entry in self.entries())
