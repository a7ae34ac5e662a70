"""Did each listener get each release once, in order, under one id, and everybody the same?"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.chaos.history import History, Violation
from tests.chaos.recordings import Listener, Seen, overlaps


@dataclass(slots=True)
class Orders:
    """What was found: duplicates apart by whether a fault was near, and what must not be."""

    near_faults: Counter[str] = field(default_factory=Counter)
    without_faults: int = 0
    replayed: Counter[str] = field(default_factory=Counter)
    """What came again because a replay was asked for."""
    violations: list[Violation] = field(default_factory=list)

    @property
    def duplicates(self) -> int:
        return sum(self.near_faults.values()) + self.without_faults


def judge_orders(history: History) -> Orders:
    """Judge order, ids and repeats at every listener, then that content is the same everywhere."""
    orders = Orders()
    for listener in history.listeners:
        for story_id, came in history.by_story[listener.name].items():
            orders.violations += _in_order(listener, story_id, came)
            _repeats(history, listener, story_id, came, orders)
        if listener.unverified:
            detail = f"{listener.unverified} webhooks do not verify under the endpoint's secret"
            orders.violations.append(Violation("signature", "-", listener.name, detail))
    orders.violations += _numbers(history)
    orders.violations += _contents(history)
    return orders


def _in_order(listener: Listener, story_id: str, came: list[Seen]) -> Iterator[Violation]:
    """First arrivals must climb, and so must what is tried again after a refusal; a second taking is a repeat.

    Under `every` a release may go in front of a newer one that came through the flash lane and was refused.
    """
    newest = newest_taken = 0
    seen, taken = set[int](), set[int]()
    for one in came:
        is_late = one.release_no not in seen and one.release_no < newest
        if is_late or (one.release_no not in taken and one.release_no < newest_taken):
            detail = f"release {one.release_no} ({one.kind}) came after release {newest if is_late else newest_taken}"
            yield Violation("order", story_id, listener.name, detail)
        if one.taken or listener.ordering != "every":
            newest = max(newest, one.release_no)
        seen.add(one.release_no)
        if one.taken:
            newest_taken = max(newest_taken, one.release_no)
            taken.add(one.release_no)


def _repeats(history: History, listener: Listener, story_id: str, came: list[Seen], orders: Orders) -> None:
    taken: dict[int, Seen] = {}
    ids: dict[int, set[str]] = defaultdict(set)
    for one in came:
        ids[one.release_no].add(one.webhook_id)
        before = taken.get(one.release_no)
        if before is not None:
            if any(replayed.explains(listener.name, one.at) for replayed in history.replays):
                orders.replayed[listener.name] += 1
            elif overlaps(history.windows, before.at, one.at) or (not listener.is_endpoint and listener.reconnects):
                orders.near_faults[listener.name] += 1
            else:
                orders.without_faults += 1
                gap = one.at - before.at
                detail = f"release {one.release_no} came again after {gap:.2f} s, and no fault was near"
                orders.violations.append(Violation("duplicate", story_id, listener.name, detail))
        if one.taken:
            taken[one.release_no] = one
    for release_no, under in ids.items():
        if len(under) > 1:
            detail = f"release {release_no} came under {len(under)} webhook-ids"
            orders.violations.append(Violation("two ids", story_id, listener.name, detail))


def _numbers(history: History) -> Iterator[Violation]:
    """Every release is one that was filed, each number is one thing, and later steps have higher numbers."""
    for story_id, numbered in history.numbers.items():
        for release_no, step in numbered.items():
            if step < 0:
                detail = f"nothing was filed that release {release_no} could be"
                yield Violation("unknown", story_id, "everywhere", detail)
        steps = [numbered[number] for number in sorted(numbered) if numbered[number] >= 0]
        if steps != sorted(steps):
            yield Violation("order", story_id, "the desk", f"its steps were released in the order {steps}")


def _contents(history: History) -> Iterator[Violation]:
    digests: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for listener in history.listeners:
        for one in listener.came:
            digests[one.story_id, one.release_no].setdefault(one.digest, listener.name)
    for place, shown in history.view_digests.items():
        for digest in shown:
            digests[place].setdefault(digest, "the views")
    for story_id, reading in history.readings.items():
        if reading.item is not None:
            digests[story_id, reading.item.release_no].setdefault(reading.item.digest, "the views")
    for (story_id, release_no), found in digests.items():
        if len(found) > 1:
            detail = f"release {release_no} differs between {', '.join(found.values())}"
            yield Violation("content", story_id, "everywhere", detail)
