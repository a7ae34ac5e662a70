"""How long did deliveries take, from the release to each stage of their way?"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """A row of the delivery log: which delivery, what became of it, when it passed each stage, when it was appended.

    Times in epoch µs, the last one by the broker's clock, to the millisecond.
    """

    delivery_id: str
    state: str
    times: Mapping[str, int]
    appended: int


def hops(rows: Iterable[Row], arrived: Iterable[tuple[str, int]]) -> dict[str, list[float]]:
    """Milliseconds from stage to stage of each delivery that was answered and whose stages are known."""
    came: dict[str, int] = {}
    for known, at in arrived:
        came[known] = min(at, came.get(known, at))
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.state == "delivered" and row.delivery_id in came and "matched" in row.times:
            released, matched, answered = (row.times[stage] for stage in ("released", "matched", "attempted"))
            stages = {"matched": matched, "at receiver": came[row.delivery_id], "answered": answered}
            before = released
            for stage, at in {**stages, "recorded": row.appended}.items():
                found.setdefault(stage, []).append((at - before) / 1000)
                before = at
    return found


def latencies(released_us: Mapping[str, int], ended_us: Iterable[tuple[str, int]]) -> list[float]:
    """Milliseconds from a release to the first end of each of its deliveries; ids not in `released_us` are left out."""
    first: dict[str, int] = {}
    for known, at in ended_us:
        if known in released_us:
            first[known] = min(at, first.get(known, at))
    return [(at - released_us[known]) / 1000 for known, at in first.items()]
