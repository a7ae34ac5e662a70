"""Whatever is done to the audit, is it found and named; and is an untouched one called whole?"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.audit_chains import Chains, Report, What
from shared.domain.events import from_epoch_us
from shared.platform.audit import HASH, Audit, Link, hash_of, link_of, new_writer
from shared.platform.clock import FixedClock
from shared.platform.publishing import Appended, Headers
from shared.platform.records import Record
from shared.platform.topics import Topic

NOON = from_epoch_us(1_764_000_000_000_000)
LATER = int((NOON + timedelta(days=1)).timestamp() * 1000)
MOVED = st.integers(0, 10**9)


class Paper:
    """The audit's partitions in memory."""

    def __init__(self, partitions: int = 1) -> None:
        self.records: list[list[Record]] = [[] for _ in range(partitions)]
        self._turn = 0

    async def publish(self, topic: Topic, key: str, value: bytes | None, headers: Headers = ()) -> Appended:
        self._turn += 1
        partition = self._turn % len(self.records)
        offset = len(self.records[partition])
        self.records[partition].append(Record(topic, partition, offset, key, value, dict(headers), 0))
        return Appended(topic, partition, offset, 0)

    def last(self) -> Link | None:
        newest = [partition[-1] for partition in self.records if partition]
        return link_of(newest[-1]) if newest else None


def written(lives: list[int], partitions: int = 1) -> Paper:
    """One process after another, each with so many entries, each behind the last one of the one before."""

    async def write() -> Paper:
        paper = Paper(partitions)
        for life, entries in enumerate(lives):
            last = paper.last()

            async def before(last: Link | None = last) -> Link | None:
                return last

            at = NOON + timedelta(minutes=life)
            audit = Audit(paper, FixedClock(at), new_writer("gateway", "0", at), before)
            for n in range(entries):
                await audit.enter("ann", "story.hold", f"urn:x:{n % 3}", version=n)
        return paper

    return asyncio.run(write())


def verified(records: list[list[Record]], kept_since: int | None = None) -> Report:
    """The records as they lie now, offsets counted anew."""
    chains = Chains(kept_since)
    for partition in records:
        for offset, record in enumerate(partition):
            chains.apply(replace(record, offset=offset))
    return chains.report()


def flipped(record: Record, at: int) -> Record:
    value = bytearray(record.value or b"")
    value[at % len(value)] ^= 1 << (at // len(value) % 8)
    return replace(record, value=bytes(value))


def forged(record: Record) -> Record:
    """Somebody else did it, says this entry, and its own hash says so too."""
    value = (record.value or b"").replace(b"ann", b"bob")
    return replace(record, value=value, headers={HASH: hash_of(value).encode()})


@given(lives=st.lists(st.integers(1, 6), min_size=1, max_size=4), partitions=st.integers(1, 3))
def test_what_nobody_has_touched_is_whole(lives: list[int], partitions: int) -> None:
    """Over restarts, and spread over the partitions of production."""
    report = verified(written(lives, partitions).records)
    assert report.faults == []
    assert (report.entries, report.writers) == (sum(lives), len(lives))


@given(lives=st.lists(st.integers(1, 5), min_size=1, max_size=3), which=MOVED, at=MOVED)
def test_any_flipped_bit_is_found_at_its_offset(lives: list[int], which: int, at: int) -> None:
    """In whatever field, of whatever entry, the last one included."""
    [records] = written(lives).records
    place = which % len(records)
    records[place] = flipped(records[place], at)
    assert (What.CHANGED, place) in {(fault.what, fault.offset) for fault in verified([records]).faults}


def test_a_flipped_bit_names_its_writer_and_number() -> None:
    """And nothing else: what stands behind it is not suspected."""
    [records] = written([5]).records
    told = link_of(records[2])
    assert told is not None
    at = (records[2].value or b"").index(b"story.hold")
    records[2] = flipped(records[2], at)
    [fault] = verified([records]).faults
    assert (fault.what, fault.writer, fault.n, fault.offset) == (What.CHANGED, told.writer, 3, 2)


def test_an_entry_made_to_look_right_is_given_away_by_the_next_one() -> None:
    """Whoever changes an entry and its own hash would have to change all that follow."""
    [records] = written([5]).records
    records[2] = forged(records[2])
    assert [(fault.what, fault.n) for fault in verified([records]).faults] == [(What.CHANGED, 3)]


@given(lives=st.lists(st.integers(2, 6), min_size=2, max_size=3), which=MOVED)
def test_an_entry_taken_out_is_missed(lives: list[int], which: int) -> None:
    """Also the last one of a life, by the life that came after it."""
    [records] = written(lives).records
    place = which % (len(records) - 1)
    gone = link_of(records.pop(place))
    assert gone is not None
    assert [(fault.what, fault.writer, fault.n) for fault in verified([records]).faults] == [
        (What.MISSING, gone.writer, gone.n)
    ]


@given(entries=st.integers(2, 8), which=MOVED)
def test_two_entries_that_changed_places_are_found(entries: int, which: int) -> None:
    """The one that lies behind a later one is named."""
    [records] = written([entries]).records
    place = which % (entries - 1)
    records[place], records[place + 1] = records[place + 1], records[place]
    [fault] = verified([records]).faults
    assert (fault.what, fault.n, fault.offset) == (What.REORDERED, place + 1, place + 1)


def test_an_entry_under_another_key_is_found() -> None:
    """The key says whose story it is."""
    [records] = written([2]).records
    records[0] = replace(records[0], key="urn:other")
    assert [(fault.what, fault.n) for fault in verified([records]).faults] == [(What.CHANGED, 1)]


def test_an_entry_that_lies_there_twice_is_no_fault() -> None:
    """A sending that was not confirmed in time is repeated, and both may have arrived."""
    [records] = written([3]).records
    report = verified([[records[0], records[1], records[0], records[1], records[2]]])
    assert (report.faults, report.repeated) == ([], 2)


def test_a_second_entry_with_one_number_is_a_fault() -> None:
    """Two processes under one name would look like this."""
    [records] = written([3]).records
    records.insert(2, forged(records[1]))
    assert [(fault.what, fault.n) for fault in verified([records]).faults] == [(What.CHANGED, 2)]


@pytest.mark.parametrize("partitions", [1, 3])
def test_what_retention_has_taken_is_not_missed(partitions: int) -> None:
    """The oldest entries of a partition go first; whoever began after that is still held to the beginning."""
    records = written([9, 4], partitions).records
    kept = [records[0][2:], *records[1:]]
    assert verified(kept).faults != []
    assert verified(kept, kept_since=LATER).faults == []
    young = int((NOON + timedelta(seconds=-1)).timestamp() * 1000)
    assert verified(kept, kept_since=young).faults != []


def test_a_gap_in_a_long_chain_costs_no_memory() -> None:
    """More entries behind it than may wait: it is told, and the rest is followed."""
    [records] = written([1300]).records
    del records[10]
    assert [(fault.what, fault.n) for fault in verified([records]).faults] == [(What.MISSING, 11)]
