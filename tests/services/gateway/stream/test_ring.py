"""What does the ring keep, and does it know what it does not?"""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.stream.frames import Entry
from services.gateway.stream.positions import Position
from services.gateway.stream.ring import Ring
from shared.domain.facts import Facts
from shared.domain.story import Kind, Lane

FLASH, ROUTINE = Lane.FLASH, Lane.ROUTINE


def entry(lane: Lane, offset: int, at_ms: int, size: int = 10) -> Entry:
    return Entry(lane, offset, "urn:a", 1, Kind.PUBLISH, Facts(), None, at_ms, None, b"x" * size)


@given(
    steps=st.lists(st.tuples(st.sampled_from([FLASH, ROUTINE]), st.integers(0, 3), st.integers(0, 5000)), max_size=60)
)
def test_at_and_after_the_floor_nothing_is_missing(steps: list[tuple[Lane, int, int]]) -> None:
    """Whatever is evicted, each lane holds all of its entries from its floor on; bounds are kept."""
    ring, ends, now = Ring(max_bytes=20_000, max_age_s=2), {FLASH: 0, ROUTINE: 0}, 0
    written: dict[Lane, list[int]] = {FLASH: [], ROUTINE: []}
    for lane, skipped, size in steps:
        now += 100
        ends[lane] += skipped
        ring.append(entry(lane, ends[lane], now, size))
        written[lane].append(ends[lane])
        ends[lane] += 1
        ring.evict(now)
        held = [one for each in (FLASH, ROUTINE) for one in ring.since(each, 0)]
        assert sum(len(one.item) + 1024 for one in held) <= 20_000
        assert all(now - one.at_ms <= 2000 for one in held)
    assert ring.head == Position(ends[FLASH], ends[ROUTINE])
    for lane in (FLASH, ROUTINE):
        floor = ring.floor.of(lane)
        assert [one.offset for one in ring.since(lane, floor)] == [
            offset for offset in written[lane] if offset >= floor
        ]


def test_many_evictions_keep_the_order() -> None:
    """Beyond the point where a lane's list is cut."""
    ring = Ring(max_bytes=10_000, max_age_s=60)
    for offset in range(2000):
        ring.append(entry(ROUTINE, offset, offset))
        ring.evict(offset)
    floor = ring.floor.routine
    assert floor > 1900
    assert [one.offset for one in ring.since(ROUTINE, floor + 2)] == list(range(floor + 2, 2000))


def test_the_oldest_of_either_lane_leaves_first() -> None:
    """A rare flash is not kept longer than its age, nor pushed out by younger routine."""
    ring = Ring(max_bytes=3_200, max_age_s=60)
    ring.append(entry(ROUTINE, 0, 1))
    ring.append(entry(FLASH, 0, 2))
    ring.append(entry(ROUTINE, 1, 3))
    ring.append(entry(ROUTINE, 2, 4))
    ring.evict(5)
    assert ring.floor == Position(0, 1)
