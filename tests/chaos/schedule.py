"""Which faults come when? A plan made from a seed alone: the same seed gives the same plan, whatever the machine."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.platform.topics import Topic
from tests.chaos.points import CRASH_TABLE
from tests.chaos.poison import Poison

SERVICES = ("ingest", "enrich", "enrich-flash", "moderation", "distribution", "gateway", "monitor")
KAFKA, REDIS, ALL = "kafka", "redis", "all"

QUIET_AT_START_S, QUIET_AT_END_S = 15.0, 30.0
APART_S = 12.0
"""Between two kills of one service, at least."""
FAILPOINT_TAKES_S = 16.0
"""What an armed service usually needs to come to its point and back."""
SETTLES_S = 5.0
"""After an outage of the broker."""
ROOM_S = 20.0
"""What one of the other faults is given, at least, before the next one."""
ZOMBIE_S = 14.0
"""A pause longer than the session timeout of every group (10 s)."""
FAILPOINTS = "failpoints"
OFTEN = frozenset({Topic.RECEIVED, Topic.INBOX, Topic.TEXT, Topic.STATE, Topic.RELEASED, Topic.DUE, Topic.ATTEMPTS})
POISONS = tuple(Poison)


class Kind(StrEnum):
    """What is done to whom."""

    KILL = "kill -9"
    TERM = "SIGTERM"
    FAILPOINT = "failpoint"  # killed exactly at a point
    ZOMBIE = "zombie"  # SIGSTOP for longer than the session, then SIGCONT
    SECOND = "second copy"  # joins the groups, and leaves them after `seconds`
    CLOCK = "clock ahead"
    BROKER_STOPPED = "broker stopped"
    BROKER_KILLED = "broker kill -9"
    DISK_FULL = "disk full"
    REDIS_FLUSHED = "redis flushed"
    REDIS_KILLED = "redis kill -9"
    REDIS_AWAY = "redis away"
    POISON = "poison"  # one kind of it on every topic


PROCESS_KILLS = frozenset({Kind.KILL, Kind.TERM, Kind.FAILPOINT})
BROKER_AWAY = frozenset({Kind.BROKER_STOPPED, Kind.BROKER_KILLED, Kind.DISK_FULL})


@dataclass(frozen=True, slots=True, order=True)
class Planned:
    """One fault: `at` seconds after the start, lasting `seconds` where it lasts.

    `point` is the failpoint of a FAILPOINT (at its `nth` passing) or the kind of poison.
    """

    at: float
    kind: Kind
    target: str
    seconds: float = 0.0
    point: str = ""
    nth: int = 1


_SHORT: tuple[tuple[Kind, str, float], ...] = (
    (Kind.BROKER_KILLED, KAFKA, 5.0),
    (Kind.REDIS_FLUSHED, REDIS, 0.0),
    (Kind.REDIS_AWAY, REDIS, 5.0),
    (Kind.ZOMBIE, "", ZOMBIE_S),
    (Kind.SECOND, "", 20.0),
    (Kind.CLOCK, "moderation", 10.0),
    (Kind.POISON, ALL, 0.0),
    (Kind.POISON, ALL, 0.0),
)
_LONG: tuple[tuple[Kind, str, float], ...] = (
    (Kind.BROKER_STOPPED, KAFKA, 5.0),
    (Kind.BROKER_KILLED, KAFKA, 5.0),
    (Kind.BROKER_STOPPED, KAFKA, 60.0),
    (Kind.BROKER_KILLED, KAFKA, 60.0),
    (Kind.DISK_FULL, KAFKA, 15.0),
    *((Kind.REDIS_FLUSHED, REDIS, 0.0),) * 3,
    *((Kind.REDIS_KILLED, REDIS, 0.0),) * 3,
    *((Kind.REDIS_AWAY, REDIS, 30.0),) * 2,
    *((Kind.ZOMBIE, name, ZOMBIE_S) for name in SERVICES if name != "monitor"),
    *((Kind.SECOND, name, 30.0) for name in SERVICES if name != "monitor"),
    *((Kind.CLOCK, "moderation", 15.0),) * 2,
    *((Kind.POISON, ALL, 0.0),) * len(POISONS),
)
LONG_FROM_MINUTES = 20.0


class _Calendar:
    """Who is busy when: nothing is planned for a service while something else happens to it."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end
        self._taken: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def take(self, name: str, at: float, until: float) -> None:
        self._taken[name].append((at, until))

    def first_free(self, names: Iterable[str], at: float, length: float) -> float | None:
        """The earliest time from `at` on at which all `names` are free for that long; None when there is none."""
        taken = sorted(span for name in names for span in self._taken[name])
        for begun, over in taken:
            if at < over and at + length > begun:
                at = over
        return at if at + length <= self.end else None


def planned(seed: int, minutes: float, *, disk: bool = True, kills: int | None = None) -> list[Planned]:
    """Plan the faults of a run, in order of time.

    5 minutes: one process kill at every row of the crash table, six more by kill -9 and SIGTERM, one broker outage of
    5 s and a few of the others. From 20 minutes on: four and a half kills a minute, a third of them at failpoints,
    outages of 5 and 60 s both ways, and all the rest. `disk`: whether the broker's disk can be filled; `kills`: how
    many process kills, instead. It is quiet at the start and at the end.
    """
    choose = random.Random(seed)
    length = minutes * 60
    calendar = _Calendar(min(QUIET_AT_START_S, length / 10), length - min(QUIET_AT_END_S, length / 5))
    menu = _LONG if minutes >= LONG_FROM_MINUTES else _SHORT
    others = _others(choose, [one for one in menu if disk or one[0] is not Kind.DISK_FULL], calendar)
    few = minutes < LONG_FROM_MINUTES
    wanted = kills if kills is not None else round(minutes * (len(CRASH_TABLE) + 6) / 5 if few else minutes * 4.5)
    return sorted(others + _kills(choose, wanted, 1.0 if few else 1 / 3, calendar))


def rendered(plan: Sequence[Planned]) -> str:
    """The plan as people read it: a line per fault, and how many of each kind."""
    lines = [f"{len(plan)} faults, {sum(one.kind in PROCESS_KILLS for one in plan)} of them process kills"]
    counts = Counter(one.kind for one in plan)
    lines += [f"  {counts[kind]:4} {kind}" for kind in Kind if counts[kind]]
    for one in plan:
        long = f"for {one.seconds:g} s" if one.seconds else ""
        where = f"{one.point} #{one.nth}" if one.kind is Kind.FAILPOINT else one.point
        lines.append(f"{one.at:8.1f} s  {one.kind:<15} {one.target:<13} {long}{where}".rstrip())
    return "\n".join(lines)


def _others(choose: random.Random, menu: Sequence[tuple[Kind, str, float]], calendar: _Calendar) -> list[Planned]:
    """Everything but the kills, one after another in a random order, as many as there is room for."""
    menu = list(menu)
    choose.shuffle(menu)
    menu.sort(key=lambda one: one[0] not in BROKER_AWAY)  # what a short run has room for begins with the broker
    room = calendar.end - calendar.start
    while len(menu) > 1 and sum(seconds + ROOM_S for _, _, seconds in menu) > room:
        menu.pop()
    choose.shuffle(menu)
    poisons = choose.sample(POISONS, k=len(POISONS))
    spare = max(0.0, room - sum(seconds + ROOM_S for _, _, seconds in menu)) / len(menu)
    plan, free_from = [], calendar.start
    for kind, target, seconds in menu:
        at = free_from + choose.uniform(0.0, spare)
        free_from += seconds + ROOM_S + spare
        whom = target or choose.choice(SERVICES[:-1])
        plan.append(Planned(round(at, 1), kind, whom, seconds, poisons.pop() if kind is Kind.POISON else ""))
        until = at + seconds + APART_S
        if kind in (Kind.ZOMBIE, Kind.CLOCK):
            calendar.take(whom, at - APART_S, until)
        if kind in BROKER_AWAY:  # an armed service would not come to its point
            calendar.take(FAILPOINTS, at - APART_S / 2, at + seconds + SETTLES_S)
        if kind is Kind.SECOND:  # its work may be the other copy's
            calendar.take(f"{whom} {FAILPOINTS}", at - APART_S / 2, until)
    return plan


def _kills(choose: random.Random, wanted: int, share: float, calendar: _Calendar) -> list[Planned]:
    """Kills of every service, spread over the run; `share` of them at failpoints, row after row."""
    rows = max(1, min(round(wanted * share), wanted - wanted // 5))
    table = [row for _ in range(-(-rows // len(CRASH_TABLE))) for row in choose.sample(CRASH_TABLE, k=len(CRASH_TABLE))]
    asked: dict[str, list[tuple[Kind, str]]] = defaultdict(list)
    for row in table[:rows]:
        asked[row.service].append((Kind.FAILPOINT, choose.choice(row.points)))
    for number in range(wanted - rows):
        asked[SERVICES[number % len(SERVICES)]].append((choose.choice((Kind.KILL, Kind.TERM)), ""))
    return [one for service in SERVICES for one in _spread(choose, service, asked[service], calendar)]


def _spread(
    choose: random.Random, service: str, faults: list[tuple[Kind, str]], calendar: _Calendar
) -> Iterable[Planned]:
    """Give the kills of one service their times, in a random order with random gaps; what has no room is left out."""
    choose.shuffle(faults)
    lengths = [FAILPOINT_TAKES_S if kind is Kind.FAILPOINT else APART_S for kind, _ in faults]
    slack = max(0.0, calendar.end - calendar.start - sum(lengths))
    cuts = sorted(choose.uniform(0.0, slack * 0.8) for _ in faults)
    gaps = [cut - before for before, cut in zip([0.0, *cuts], cuts, strict=False)]
    at = calendar.start
    for (kind, point), length, gap in zip(faults, lengths, gaps, strict=True):
        names = (service, FAILPOINTS, f"{service} {FAILPOINTS}") if kind is Kind.FAILPOINT else (service,)
        found = calendar.first_free(names, at + gap, length)
        if found is None:
            continue
        nth = choose.randint(1, 4) if any(topic in point for topic in OFTEN) else 1
        yield Planned(round(found, 1), kind, service, point=point, nth=nth)
        calendar.take(service, found, found + length)
        at = found + length
