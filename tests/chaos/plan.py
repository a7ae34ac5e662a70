"""What will be filed, in which order, and what must become of it? Decided from a seed, before anything is filed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.chaos.wording import TOPICS, mark_of

Act = Literal["file", "correct", "release", "reject", "withhold", "embargo", "kill", "confirm"]
Key = tuple[str, str]
"""How a release is known on the wire: `("text", mark)`, `("repeat", mark)`, `("release", mark)`, or a notice's kind."""

SOURCES = tuple(f"chaos-{number:02}" for number in range(1, 21))
FAR_S = 3 * 3600.0
"""An embargo that ends in no run."""

RELEASED, KILLED, APPLIED = frozenset({"released"}), frozenset({"killed"}), frozenset({"applied"})
HELD, REJECTED, EMBARGOED = frozenset({"held"}), frozenset({"rejected"}), frozenset({"embargoed"})
SUPERSEDED, DUPLICATE, INVALID = frozenset({"superseded"}), frozenset({"duplicate"}), frozenset({"invalid"})


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `ends`: the receipts it may have at last; `key`: how the wire shows it, None if never.

    `settle`: the next step waits until this one's receipt is told. `freed_by`: the step whose asking frees the
    text of this one (held, or embargoed beyond the run); `inherits`: the step whose embargo holds for this one too.
    `counts_as`: its column in the arithmetic where the receipt alone does not say.
    """

    act: Act
    ends: frozenset[str] = RELEASED
    key: Key | None = None
    mark: str = ""
    version: int | None = None
    urgency: int = 4
    kind: str | None = None
    embargo_s: float | None = None
    held: bool = False
    settle: bool = False
    pause_s: float = 0.0
    freed_by: int | None = None
    inherits: int | None = None
    counts_as: str | None = None
    break_glass: bool = False
    again: int | None = None
    """The step whose text is filed once more."""

    @property
    def flash(self) -> bool:
        return self.urgency <= 2 or self.act in {"withhold", "kill", "confirm"}

    @property
    def is_notice(self) -> bool:
        return self.key is not None and self.key[0] in {"kill", "withhold"}


@dataclass(frozen=True, slots=True)
class Story:
    """One story to be told: its steps in order, `at_s` seconds after the start of the run."""

    number: int
    story_id: str
    case: str
    source: str
    topic: str
    desk: int
    at_s: float
    steps: tuple[Step, ...]
    seed: str

    def named(self, key: Key) -> list[int]:
        """The steps that the wire shows under this key, in order."""
        return [number for number, step in enumerate(self.steps) if step.key == key]


@dataclass(slots=True)
class Draft:
    """A story being planned: each method adds a step and returns its number."""

    number: int
    rng: Random
    due_s: tuple[float, float]
    steps: list[Step] = field(default_factory=list)

    def text(self, ends: frozenset[str] = RELEASED, *, shown: str = "text", key: bool = True, **more: object) -> int:
        mark = mark_of(self.number, len(self.steps))
        self.steps.append(Step("file", ends, (shown, mark) if key else None, mark, **more))  # type: ignore[arg-type]
        return len(self.steps) - 1

    def then(self, act: Act, ends: frozenset[str] = APPLIED, key: Key | None = None, **more: object) -> int:
        self.steps.append(Step(act, ends, key, **more))  # type: ignore[arg-type]
        return len(self.steps) - 1

    def kill(self, *, two_people: bool) -> None:
        if two_people:
            self.then("kill", KILLED, settle=True)
            self.then("confirm", KILLED, ("kill", ""))
        else:
            self.then("kill", KILLED, ("kill", ""), break_glass=True)

    def mark(self, step: int) -> str:
        return self.steps[step].mark

    def soon(self) -> float:
        return round(self.rng.uniform(*self.due_s), 2)


def stories(seed: int | str, rate: float, until_s: float, due_s: tuple[float, float] = (4.0, 25.0)) -> Iterator[Story]:
    """Yield stories, `rate` a second, until `until_s`; embargoes of the run end `due_s` (from, to) after filing.

    The same arguments give the same stories, whatever became of the ones before.
    """
    from tests.chaos.cases import deck

    cards: list[str] = []
    shuffling = Random(f"{seed} deck")
    for number in range(max(1, int(rate * until_s))):
        if not cards:
            cards = shuffling.sample(deck(), len(deck()))
        yield story(seed, number, cards.pop(), number / rate, due_s)


def story(seed: int | str, number: int, case: str, at_s: float, due_s: tuple[float, float]) -> Story:
    """Plan one story of a case."""
    from tests.chaos.cases import CASES

    rng = Random(f"{seed} story {number}")
    draft = Draft(number, rng, due_s)
    source, topic, desk = rng.choice(SOURCES), rng.choice(TOPICS), rng.randrange(3)
    CASES[case].tell(draft)
    story_id = f"urn:example:chaos:{Random(f'{seed}').randrange(16**8):08x}:{number}"
    return Story(number, story_id, case, source, topic, desk, at_s, tuple(draft.steps), f"{seed} text {number}")
