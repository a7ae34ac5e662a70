"""Is the audit whole? Each writer's chain is followed entry by entry; what was changed, taken out or moved is named."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from shared.platform.audit import FIRST, HASH, hash_of
from shared.platform.records import Record

AHEAD: Final = 1_000
"""Entries of one writer that may wait for an earlier one: partitions are not read in step."""
FAULTS_TOLD: Final = 200
_BEGAN = re.compile(r"-(\d{13})(?:-[0-9a-f]{4})?")
_WRITER, _N = re.compile(rb'"writer":"([^"\\]{1,200})"'), re.compile(rb'"n":(\d{1,18})[,}]')


class What(StrEnum):
    """What is wrong with one entry."""

    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: whose entry, its number, and where it lies; a missing one's place is that of the entry behind it."""

    what: What
    writer: str | None
    n: int | None
    partition: int
    offset: int
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; `repeated` counts entries that lie there twice, which does no harm."""

    entries: int
    repeated: int
    writers: int
    faults: list[Fault]
    more_faults: int


@dataclass(frozen=True, slots=True)
class _Entry:
    writer: str
    n: int
    previous: str
    after: tuple[str, int] | None
    hash: str
    partition: int
    offset: int
    at: int
    suspect: bool  # known to be changed: what it says of its neighbours proves nothing more


@dataclass(slots=True)
class _Chain:
    """One writer's entries. `recent` are the hashes of the last ones by number, to know a repeated entry again."""

    last: _Entry | None = None
    waiting: dict[int, _Entry] = field(default_factory=dict)
    recent: dict[int, str] = field(default_factory=dict)
    highest: dict[int, int] = field(default_factory=dict)


class Chains:
    """Takes the audit's records in order per partition, and says at the end what is wrong with them.

    `kept_since` (epoch ms): what is older may have lost neighbours to retention, or lies before what is asked for.
    """

    def __init__(self, kept_since: int | None = None) -> None:
        self._kept_since = kept_since
        self._chains: dict[str, _Chain] = {}
        self._links: list[_Entry] = []
        self._faults: list[Fault] = []
        self._more = 0
        self._entries = 0
        self._repeated = 0

    def apply(self, record: Record) -> None:
        """Take one record of the audit."""
        self._entries += 1
        entry = self._read(record)
        if entry is None or (entry.suspect and entry.writer not in self._chains and entry.n > 1):
            return  # told already; a name that nobody else bears may be what was changed
        chain = self._chains.setdefault(entry.writer, _Chain())
        if self._known(chain, entry):
            return
        if entry.n < chain.highest.get(entry.partition, 0):
            self._tell(What.REORDERED, entry, "it lies behind a later entry of its writer")
        chain.highest[entry.partition] = max(entry.n, chain.highest.get(entry.partition, 0))
        chain.waiting[entry.n] = entry
        self._advance(chain)
        if len(chain.waiting) > AHEAD:
            self._skip(chain)

    def report(self) -> Report:
        """What was found in all that was applied. Call once."""
        for chain in self._chains.values():
            while chain.waiting:
                self._skip(chain)
        for entry in self._links:
            self._check_link(entry)
        return Report(self._entries, self._repeated, len(self._chains), self._faults, self._more)

    # One entry

    def _read(self, record: Record) -> _Entry | None:
        """Read an entry and hold it against its own hash; what cannot be read is named as far as its bytes tell."""
        value = record.value or b""
        told = record.headers.get(HASH)
        intact = told is None or told == hash_of(value).encode()
        try:
            read = json.loads(value)
            entry = _entry(read, record, told.decode() if told else hash_of(value), suspect=not intact)
            key = read["object"] or read["actor"]
        except (ValueError, KeyError, TypeError):
            writer, n = _WRITER.search(value), _N.search(value)
            whose, which = writer and writer[1].decode(errors="replace"), n and int(n[1])
            self._add(Fault(What.CHANGED, whose, which, record.partition, record.offset, "it is no entry any more"))
            return None
        if not intact:
            self._tell(What.CHANGED, entry, "its bytes are not those that were written")
        elif record.key != key:
            self._tell(What.CHANGED, entry, "its key is not that of what it is about")
        return entry

    def _known(self, chain: _Chain, entry: _Entry) -> bool:
        """Whether this number was there before: the same entry again is harmless, another one is not."""
        waiting = chain.waiting.get(entry.n)
        if waiting is not None and waiting.suspect:
            return False  # its number may be what was changed
        seen = waiting.hash if waiting else chain.recent.get(entry.n)
        if seen is None:
            return False
        if seen == entry.hash:
            self._repeated += 1
        elif not entry.suspect:
            self._tell(What.CHANGED, entry, "its writer has another entry with this number")
        return True

    # One chain

    def _advance(self, chain: _Chain) -> None:
        """Follow the chain as far as its numbers go on without a gap."""
        following = 1 if chain.last is None else chain.last.n + 1
        while (entry := chain.waiting.pop(following, None)) is not None:
            self._check(chain.last, entry)
            self._take(chain, entry)
            following += 1

    def _check(self, before: _Entry | None, entry: _Entry) -> None:
        if entry.suspect:
            return
        if before is None:
            if entry.after is not None:
                self._links.append(entry)
            elif entry.previous != FIRST:
                self._tell(What.CHANGED, entry, "a first entry follows nothing, and this one says it does")
        elif before.hash != entry.previous and not before.suspect:
            self._tell(What.CHANGED, before, "the entry behind it was written behind another one")

    def _take(self, chain: _Chain, entry: _Entry) -> None:
        chain.last = entry
        chain.recent[entry.n] = entry.hash
        chain.recent.pop(entry.n - AHEAD, None)

    def _skip(self, chain: _Chain) -> None:
        """Go on behind a gap: its entries are missing, unless retention may have taken them."""
        lowest = min(chain.waiting)
        entry = chain.waiting.pop(lowest)
        first = 1 if chain.last is None else chain.last.n + 1
        if not self._may_be_gone(entry.writer, chain.last):
            numbers = f"{first} to {lowest - 1} are" if lowest - first > 1 else f"{first} is"
            why = f"{numbers} not there, and {lowest} is"
            self._add(Fault(What.MISSING, entry.writer, first, entry.partition, entry.offset, why))
        self._take(chain, entry)
        self._advance(chain)

    def _check_link(self, entry: _Entry) -> None:
        """Hold a life's first entry against the last entry of the life before it that it names."""
        assert entry.after is not None
        writer, n = entry.after
        chain = self._chains.get(writer)
        if chain is None or chain.last is None or chain.last.n < n:
            if not self._may_be_gone(writer, chain.last if chain else None):
                why = f"{entry.writer} began behind it"
                self._add(Fault(What.MISSING, writer, n, entry.partition, entry.offset, why))
        elif (known := chain.recent.get(n)) is not None and known != entry.previous:
            self._tell(What.CHANGED, entry, f"it says that it follows {writer} {n}, which is another entry")

    def _may_be_gone(self, writer: str, last: _Entry | None) -> bool:
        """Whether entries behind `last`, or from the writer's start, may be older than what is kept."""
        if self._kept_since is None:
            return False
        began = _BEGAN.search(writer)
        after = last.at if last else int(began[1]) if began else 0
        return after <= self._kept_since

    def _tell(self, what: What, entry: _Entry, why: str) -> None:
        self._add(Fault(what, entry.writer, entry.n, entry.partition, entry.offset, why))

    def _add(self, fault: Fault) -> None:
        if len(self._faults) < FAULTS_TOLD:
            self._faults.append(fault)
        else:
            self._more += 1


def _entry(told: Any, record: Record, own_hash: str, *, suspect: bool) -> _Entry:
    """Raises ValueError, KeyError or TypeError for what is no entry."""
    after = told.get("after") if isinstance(told, dict) else None
    at = datetime.fromisoformat(told["at"])
    return _Entry(
        writer=str(told["writer"]),
        n=int(told["n"]),
        previous=str(told["previous"]),
        after=None if after is None else (str(after["writer"]), int(after["n"])),
        hash=own_hash,
        partition=record.partition,
        offset=record.offset,
        at=int(at.astimezone(UTC).timestamp() * 1000),
        suspect=suspect,
    )
