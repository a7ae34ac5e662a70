"""Which kinds of stories are there? Each tells what is filed and decided, and what every part of it must become."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.plan import (
    APPLIED,
    DUPLICATE,
    EMBARGOED,
    FAR_S,
    HELD,
    INVALID,
    KILLED,
    REJECTED,
    RELEASED,
    SUPERSEDED,
    Draft,
)

FLASH = 1


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of story, and how many there are of it in one deck."""

    weight: int
    tell: Callable[[Draft], object]


def single(draft: Draft) -> None:
    draft.text(version=1, urgency=draft.rng.randrange(3, 7))


def numberless(draft: Draft) -> None:
    draft.text()


def updates(draft: Draft) -> None:
    for version in range(1, draft.rng.choice([2, 2, 3]) + 1):
        draft.text(version=version, urgency=draft.rng.randrange(3, 7))


def flash(draft: Draft) -> None:
    draft.text(version=1, urgency=FLASH)


def flash_overtakes(draft: Draft) -> None:
    """The flash rides past what was filed before it, or not: both are right."""
    draft.text(RELEASED | SUPERSEDED, version=1)
    draft.text(version=2, urgency=FLASH)


def correction(draft: Draft) -> None:
    draft.text(settle=True, version=1)
    mark = f"zq{draft.number}v1"
    draft.then("correct", RELEASED, ("text", mark), mark=mark)


def refile(draft: Draft) -> None:
    draft.text(settle=True, version=1)
    draft.text(version=2, kind="refile")


def repeat(draft: Draft) -> None:
    first = draft.text(settle=True, version=1)
    mark = draft.mark(first)
    draft.then("file", RELEASED, ("repeat", mark), mark=mark, version=1, kind="repeat", again=first)


def duplicate(draft: Draft) -> None:
    first = draft.text(settle=draft.rng.random() < 0.5, version=1)
    draft.then("file", DUPLICATE, mark=draft.mark(first), version=1, again=first)


def withheld_and_back(draft: Draft) -> None:
    first = draft.text(settle=True, version=1)
    for _ in range(draft.rng.choice([1, 2])):
        draft.then("withhold", key=("withhold", ""), settle=True, pause_s=0.3)
        draft.then("release", APPLIED, ("release", draft.mark(first)), version=1, settle=True, pause_s=0.3)


def withheld_for_good(draft: Draft) -> None:
    draft.text(settle=True, version=1)
    draft.then("withhold", key=("withhold", ""), settle=True)
    draft.text(HELD, key=False, version=2, counts_as="withheld")


def back_with_a_new_version(draft: Draft) -> None:
    draft.text(settle=True, version=1)
    draft.then("withhold", key=("withhold", ""), settle=True)
    draft.text(shown="release", version=2, settle=True, freed_by=3)
    draft.then("release", version=2)


def killed_by_two(draft: Draft) -> None:
    draft.text(KILLED, settle=True, version=1)
    draft.kill(two_people=True)


def killed_at_once(draft: Draft) -> None:
    """The kill may pass what was filed a moment before it, and a flash the version before."""
    draft.text(KILLED | SUPERSEDED, version=1)
    draft.text(KILLED, version=2, urgency=draft.rng.choice([4, 4, FLASH]))
    draft.kill(two_people=False)


def killed_later(draft: Draft) -> None:
    draft.text(KILLED, settle=True, version=1)
    draft.text(KILLED, settle=True, version=2, pause_s=1.0)
    draft.then("kill", KILLED, ("kill", ""), break_glass=True, settle=True, pause_s=2.0)
    draft.text(KILLED, key=False, version=3)


def dead_on_arrival(draft: Draft) -> None:
    draft.then("kill", KILLED, ("kill", ""), break_glass=True, settle=True)
    draft.text(KILLED, key=False, version=1)


def embargo_falls_due(draft: Draft) -> None:
    draft.text(version=1, embargo_s=draft.soon(), urgency=draft.rng.choice([4, 4, FLASH]))


def embargo_inherited(draft: Draft) -> None:
    first = draft.text(RELEASED | SUPERSEDED, version=1, embargo_s=draft.soon())
    draft.text(version=2, inherits=first)


def embargo_lifted_early(draft: Draft) -> None:
    draft.text(version=1, embargo_s=FAR_S, settle=True, freed_by=1)
    draft.then("release", version=1, pause_s=0.5)


def embargo_shortened(draft: Draft) -> None:
    draft.text(version=1, embargo_s=FAR_S, settle=True, freed_by=1)
    draft.then("embargo", version=1, embargo_s=-1.0, pause_s=0.5)


def embargo_stands(draft: Draft) -> None:
    draft.text(EMBARGOED, key=False, version=1, embargo_s=FAR_S)


def embargoed_and_killed(draft: Draft) -> None:
    draft.text(KILLED, key=False, version=1, embargo_s=FAR_S, settle=True)
    draft.kill(two_people=draft.rng.random() < 0.5)


def held_and_released(draft: Draft) -> None:
    draft.text(version=1, held=True, settle=True, freed_by=1)
    draft.then("release", version=1)


def held_and_rejected(draft: Draft) -> None:
    draft.text(REJECTED, key=False, version=1, held=True, settle=True)
    draft.then("reject", version=1)


def held_for_good(draft: Draft) -> None:
    draft.text(HELD, key=False, version=1, held=True)


def second_version_rejected(draft: Draft) -> None:
    """Version 2 is held and rejected; version 1 stays as it is."""
    draft.text(settle=True, version=1)
    draft.text(REJECTED, key=False, version=2, held=True, settle=True)
    draft.then("reject", version=2)


def conflict(draft: Draft) -> None:
    draft.text(settle=True, version=1)
    draft.text(HELD, key=False, version=1)


def older_version(draft: Draft) -> None:
    draft.text(settle=True, version=3)
    draft.text(SUPERSEDED, key=False, version=2)


def invalid(draft: Draft) -> None:
    draft.text(INVALID, key=False, version=1)


CASES = {
    case.__name__: Case(weight, case)
    for weight, case in (
        (14, single),
        (3, numberless),
        (6, updates),
        (3, flash),
        (4, flash_overtakes),
        (2, correction),
        (1, refile),
        (2, repeat),
        (2, duplicate),
        (2, withheld_and_back),
        (1, withheld_for_good),
        (1, back_with_a_new_version),
        (2, killed_by_two),
        (2, killed_at_once),
        (1, killed_later),
        (1, dead_on_arrival),
        (3, embargo_falls_due),
        (1, embargo_inherited),
        (1, embargo_lifted_early),
        (1, embargo_shortened),
        (1, embargo_stands),
        (1, embargoed_and_killed),
        (1, held_and_released),
        (1, held_and_rejected),
        (1, held_for_good),
        (1, second_version_rejected),
        (1, conflict),
        (1, older_version),
        (1, invalid),
    )
}


def deck() -> list[str]:
    """Every case as often as its weight; one deck after another, each shuffled, makes a run."""
    return [name for name, case in CASES.items() for _ in range(case.weight)]
