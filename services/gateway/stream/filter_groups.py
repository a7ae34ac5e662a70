"""Who wants this release? One group per distinct filter, asked once, holding only the clients that are up to date."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.gateway.stream.frames import Entry
from services.gateway.stream.ports import EVERYTHING
from shared.domain.story import NOTICES, Kind
from shared.domain.subscription import Filter, Text, wants

Key = tuple[Filter, ...]
"""All filters of a key must want a release: what is granted, and what was asked for."""

FOLLOWING: Final = frozenset({Kind.CORRECT, Kind.RELEASE})
"""Kinds that concern whoever was shown an earlier release, also where the facts have changed since."""

_NO_WORDS: Final = Text({})


class Live(Protocol):
    """A client that is up to date and takes whatever its group is sent."""

    def write(self, data: bytes) -> None: ...


@dataclass(slots=True, eq=False)
class Judged:
    """A release about to be sent: its words are prepared when the first filter asks, once for all."""

    entry: Entry
    frame: bytes = b""
    _text: Text | None = field(default=None, init=False)

    def text(self) -> Text | None:
        if self._text is None:
            self._text = self.entry.text()
        return self._text


class FilterGroup:
    """The live clients of one filter. `sent_through` counts releases of the hub, as of the last one sent."""

    __slots__ = ("_filters", "live", "members", "sent_through")

    def __init__(self, key: Key, sent_through: int = 0) -> None:
        self._filters = tuple(each for each in dict.fromkeys(key) if each != EVERYTHING)
        self.members = 0
        self.live: dict[Live, None] = {}
        self.sent_through = sent_through

    def wants(self, judged: Judged) -> bool:
        """Every kill; a withhold, a correction or a lifted withhold also by the reach of its story."""
        if judged.entry.kind is Kind.KILL:
            return True
        return all(_wanted(each, judged) for each in self._filters)

    def send(self, releases: Iterable[Judged], through: int) -> int:
        """Write what is wanted to every live client; returns how many releases that were."""
        if not self.live:
            return 0
        frames = [judged.frame for judged in releases if self.wants(judged)]
        if frames:
            self.sent_through = through
            self.write(b"".join(frames))
        return len(frames)

    def write(self, data: bytes) -> None:
        """Write the same bytes to every live client; one that is full by then leaves during it."""
        for client in tuple(self.live):
            client.write(data)


def _wanted(wanted: Filter, judged: Judged) -> bool:
    entry = judged.entry
    if entry.kind in NOTICES:
        return wants(wanted, entry.reach or entry.facts, None)
    text = judged.text() if wanted.keywords or wanted.not_.keywords else _NO_WORDS
    if wants(wanted, entry.facts, text):
        return True
    return entry.kind in FOLLOWING and entry.reach is not None and wants(wanted, entry.reach, text)


class FilterGroups:
    """The groups there are: made for the first client of a filter, gone with the last."""

    def __init__(self) -> None:
        self._groups: dict[Key, FilterGroup] = {}

    def join(self, key: Key, sent_through: int = 0) -> FilterGroup:
        """The group of a filter, with one more member (not live yet); a new one has been sent all so far."""
        group = self._groups.get(key) or self._groups.setdefault(key, FilterGroup(key, sent_through))
        group.members += 1
        return group

    def leave(self, key: Key) -> None:
        """One member fewer."""
        group = self._groups[key]
        group.members -= 1
        if not group.members:
            del self._groups[key]

    def __iter__(self) -> Iterator[FilterGroup]:
        return iter(tuple(self._groups.values()))

    def __len__(self) -> int:
        return len(self._groups)
