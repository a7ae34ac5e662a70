"""What does the judge look at? The driver's books, everything that was seen, the faults, and the product's own word."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from tests.chaos.books import Account, Entry, Ledger
from tests.chaos.recordings import Listener, Seen, Window
from tests.chaos.replays import Replayed

Place = tuple[str, str, int]
"""An endpoint's id, a story, a release number: what one row of the delivery log is about."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not have happened: what kind, which story, where, and the evidence in words."""

    kind: str
    story_id: str
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.story_id} at {self.where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Reading:
    """The page of one story after the run: its status, and the item if there was one."""

    status: int
    item: Seen | None = None


@dataclass(slots=True)
class Sighting:
    """A text in a view (`/v1/stories`, a story's page, a feed): first answered with it, and last asked for it."""

    first_at: float
    last_asked: float


@dataclass(frozen=True, slots=True)
class Event:
    """One fault that took effect, and whether all was healthy again without a human."""

    kind: str
    whom: str
    healthy: bool


@dataclass
class History:
    """All of one run. `rows`: the last state of each delivery by the product's log, None while it was not asked."""

    ledger: Ledger
    listeners: list[Listener]
    windows: list[Window] = field(default_factory=list)
    rows: Mapping[Place, str] | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    sightings: Mapping[tuple[str, str, str], Sighting] = field(default_factory=dict)
    view_digests: Mapping[tuple[str, int], set[str]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the restart of a killed service until it worked again, ascending; not where the broker was away."""
    planned_kinds: frozenset[str] = frozenset()
    unasked_ends: list[str] = field(default_factory=list)
    """Processes that ended though nobody had killed them."""
    dead_letters: list[tuple[str, str]] = field(default_factory=list)
    """Every dead letter, as (service, key)."""
    view_answers: int = 0
    replays: list[Replayed] = field(default_factory=list)
    left_alone: dict[str, str] = field(default_factory=dict)
    """What the product says of the breaker of each endpoint after the run, by listener."""
    view_errors: list[tuple[str, str]] = field(default_factory=list)
    """Answers of views that nobody should have been given, by story."""

    @cached_property
    def by_story(self) -> dict[str, dict[str, list[Seen]]]:
        """What came, by listener and story, in order of arrival."""
        found: dict[str, dict[str, list[Seen]]] = {}
        for listener in self.listeners:
            stories: dict[str, list[Seen]] = defaultdict(list)
            for one in listener.came:
                stories[one.story_id].append(one)
            found[listener.name] = dict(stories)
        return found

    @cached_property
    def numbers(self) -> dict[str, dict[int, int]]:
        """Which step each release number of a story is; a release that nobody planned is -1."""
        known: dict[str, dict[tuple[str, str], set[int]]] = defaultdict(lambda: defaultdict(set))
        for listener in self.listeners:
            for one in listener.came:
                known[one.story_id][one.key].add(one.release_no)
        return {story_id: _numbered(self.ledger.accounts.get(story_id), keys) for story_id, keys in known.items()}

    @cached_property
    def _lags(self) -> dict[str, tuple[list[float], list[float]]]:
        """Per listener: when each routine release it got was filed, and the first arrival of that or a later one."""
        lags = {}
        for listener in self.listeners:
            pairs = sorted(self._filed_and_came(listener))
            first = list(accumulate((came for _, came in reversed(pairs)), min))[::-1]
            lags[listener.name] = [filed for filed, _ in pairs], first
        return lags

    def _filed_and_came(self, listener: Listener) -> Iterator[tuple[float, float]]:
        for one in listener.came:
            step = self.numbers.get(one.story_id, {}).get(one.release_no, -1)
            entry = self.ledger.accounts[one.story_id].entries[step] if step >= 0 else None
            if entry is not None and entry.lane == "routine" and not entry.until:
                yield entry.answered_at, one.at

    def first_filed_after(self, listener: Listener, moment: float) -> float:
        """When the first routine release that was filed after a moment came to a listener; infinity for never."""
        filed, first = self._lags[listener.name]
        place = bisect_right(filed, moment)
        return first[place] if place < len(first) else float("inf")

    def number_of(self, story_id: str, step: int) -> int | None:
        """The release number of a step, if anybody saw it."""
        return next((no for no, which in self.numbers.get(story_id, {}).items() if which == step), None)

    def came_to(self, listener: Listener, story_id: str) -> list[Seen]:
        return self.by_story[listener.name].get(story_id, [])

    def steps_seen(self, listener: Listener, story_id: str) -> set[int]:
        """The steps whose release this listener took."""
        numbers = self.numbers.get(story_id, {})
        return {numbers[one.release_no] for one in self.came_to(listener, story_id) if one.taken}


def _numbered(account: Account | None, keys: Mapping[tuple[str, str], Iterable[int]]) -> dict[int, int]:
    numbered: dict[int, int] = {}
    for key, numbers in keys.items():
        steps = account.story.named(key) if account else []
        known = {account.entries[step].release_no: step for step in steps} if account else {}
        if len(steps) > len(set(numbers)):  # some were seen by nobody: which ones, only their receipts can say
            steps = [known[number] for number in sorted(numbers) if number in known] or steps
        for place, number in enumerate(sorted(numbers)):
            numbered[number] = steps[place] if place < len(steps) else -1
    return numbered


def was_released(entry: Entry) -> bool | None:
    """Whether a step's release went on the wire, by its receipts; None: perhaps, before it was killed."""
    if entry.step.key is None or not entry.accepted:
        return False
    if entry.step.act in {"kill", "confirm"}:
        return entry.receipt == "killed"
    if {entry.receipt, entry.settled} & {"released", "applied"}:
        return True
    return None if entry.receipt == "killed" else False


def kill_of(account: Account) -> Entry | None:
    """The step that killed the story, once it was accepted."""
    return next((one for one in account.entries if one.step.key == ("kill", "") and one.accepted), None)
