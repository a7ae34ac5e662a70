"""Was anything seen before its time, that never should be seen, or after its story was killed?"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.books import Account, Entry
from tests.chaos.history import History, Violation, kill_of, was_released
from tests.chaos.recordings import Listener, Seen, overlaps

GATE_S = 1.0
"""How long after a kill is known anywhere another process may still not have read it: counted, and no more."""
NEVER = float("inf")


@dataclass(slots=True)
class Times:
    """What was found; lateness in seconds of each embargo that fell due, calm and near faults apart."""

    violations: list[Violation] = field(default_factory=list)
    late_calm: list[float] = field(default_factory=list)
    late_near_faults: list[float] = field(default_factory=list)
    racing: int = 0
    """Texts that came within `GATE_S` of their story's kill being known elsewhere."""


def judge_times(history: History) -> Times:
    """Judge every sighting in every channel against the plan's clock."""
    times = Times()
    steps = {
        entry.step.mark: (account, number)
        for account in history.ledger.accounts.values()
        for number, entry in enumerate(account.entries)
        if entry.step.mark and entry.step.again is None
    }
    kills = {story_id: _known_dead(history, account) for story_id, account in history.ledger.accounts.items()}
    for listener in history.listeners:
        for story_id, came in history.by_story[listener.name].items():
            times.violations += _after_kill_here(listener, story_id, came)
            for one in came:
                if one.mark in steps:
                    _judge_sight(
                        times, one.mark, *steps[one.mark], listener.name, one.at, one.surely_shown_at, kills, one.status
                    )
    for (where, story_id, mark), sighting in history.sightings.items():
        if mark in steps and steps[mark][0].story.story_id == story_id:  # another run's may still be listed
            _judge_sight(times, mark, *steps[mark], where, sighting.first_at, sighting.last_asked, kills)
    _lateness(history, times)
    return times


def not_before(account: Account, number: int) -> float:
    """From when a text may be seen (epoch seconds): its embargo, or the moment somebody asked to free it."""
    entry = account.entries[number]
    if entry.step.key is None:
        return entry.asked_at if was_released(entry) else NEVER
    if entry.step.freed_by is not None:
        return account.entries[entry.step.freed_by].asked_at or NEVER
    if entry.step.inherits is not None:
        return account.entries[entry.step.inherits].until
    return entry.until or entry.asked_at


def _judge_sight(
    times: Times,
    mark: str,
    account: Account,
    number: int,
    where: str,
    first: float,
    last: float,
    kills: dict[str, float],
    status: int = 200,
) -> None:
    story_id, since = account.story.story_id, not_before(account, number)
    if since is NEVER or since == NEVER:
        times.violations.append(
            Violation("hidden", story_id, where, f"{mark} must never be seen ({account.story.case})")
        )
    elif first < since:
        detail = f"{mark} was seen {since - first:.3f} s before its time"
        times.violations.append(Violation("early", story_id, where, detail))
    dead = kills[story_id]
    if last > dead + GATE_S:
        detail = f"{mark} was seen {last - dead:.2f} s after its story was known to be dead"
        times.violations.append(Violation("after kill", story_id, where, detail))
    elif last > dead:
        times.racing += 1


def _known_dead(history: History, account: Account) -> float:
    """When its kill was first announced in any channel or told to whoever asked for it."""
    kill = kill_of(account)
    if kill is None:
        return NEVER
    story_id = account.story.story_id
    announced = [
        one.at for listener in history.listeners for one in history.came_to(listener, story_id) if one.kind == "kill"
    ]
    return min([*announced, kill.settled_at or NEVER])


def _after_kill_here(listener: Listener, story_id: str, came: list[Seen]) -> Iterator[Violation]:
    """Once a listener has the kill it gets nothing else of the story; after a withhold nothing older than it."""
    dead = withheld = 0
    for one in came:
        if dead and one.kind != "kill":
            detail = f"release {one.release_no} ({one.kind}) came after the kill was there"
            yield Violation("after kill", story_id, listener.name, detail)
        elif not one.is_notice and one.release_no < withheld:
            detail = f"release {one.release_no} came after the withhold of release {withheld} was there"
            yield Violation("after withhold", story_id, listener.name, detail)
        dead = dead or one.kind == "kill"
        withheld = max(withheld, one.release_no) if one.kind == "withhold" else withheld


def _lateness(history: History, times: Times) -> None:
    """How long after its time an embargoed text first came to anybody healthy."""
    for account, entry in history.ledger.entries():
        if entry.until and entry.receipt == "released" and entry.step.freed_by is None and _fell_due(entry):
            arrived = [
                one.at
                for listener in history.listeners
                if listener.manner.healthy
                for one in history.came_to(listener, account.story.story_id)
                if one.mark == entry.step.mark
            ]
            if arrived:
                late = min(arrived) - entry.until
                near = overlaps(history.windows, entry.until - 1.0, min(arrived))
                (times.late_near_faults if near else times.late_calm).append(late)


def _fell_due(entry: Entry) -> bool:
    return entry.answered_at < entry.until
