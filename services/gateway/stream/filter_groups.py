"""Who wants this release? One group per distinct filter, asked once, holding only the clients that are up to date."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from services.gateway.stream.dialects import Dialect
from services.gateway.stream.wanted import NO_WORDS, Judged, Wanted, shows
from shared.domain.filter_index import FilterIndex
from shared.domain.products import FOLLOWING
from shared.domain.story import NOTICES
from shared.domain.subscription import Filter

_UNFILTERED: Final = ""
"""In place of a filter's name, for groups that have products at most."""


class Live(Protocol):
    """A client that is up to date and takes whatever its group is sent; `slot` is its place in the group's list."""

    slot: int

    @property
    def write(self) -> Callable[[bytes], None]: ...


class FilterGroup:
    """The live clients of one filter on one channel.

    `sent_through` counts releases of the hub, as of the last one sent. Of the filters named in `all_of` each must want
    a release, of those in `any_of` (None: no matter) one.
    """

    __slots__ = ("_writes", "all_of", "any_of", "dialect", "live", "members", "sent_through", "wanted")

    def __init__(
        self,
        wanted: Wanted,
        dialect: Dialect,
        sent_through: int = 0,
        all_of: tuple[str, ...] = (),
        any_of: tuple[str, ...] | None = None,
    ) -> None:
        self.wanted = wanted
        self.dialect = dialect
        self.sent_through = sent_through
        self.all_of = all_of
        self.any_of = any_of
        self.members = 0
        self.live: list[Live] = []
        self._writes: list[Callable[[bytes], None]] = []

    def shows(self, judged: Judged) -> bool:
        """Whether its clients are shown a release, asked of this group alone."""
        return shows(self.wanted, judged)

    def passes(self, found: set[str]) -> bool:
        """Whether its clients are shown a release that these filters want; for what is no notice."""
        return found.issuperset(self.all_of) and (self.any_of is None or not found.isdisjoint(self.any_of))

    def enter(self, client: Live) -> None:
        """One more live client."""
        client.slot = len(self.live)
        self.live.append(client)
        self._writes.append(client.write)

    def exit(self, client: Live) -> None:
        """Take a live client out; the last of the list takes its place."""
        last, write = self.live.pop(), self._writes.pop()
        if last is not client:
            last.slot = client.slot
            self.live[last.slot], self._writes[last.slot] = last, write

    def write(self, data: bytes) -> None:
        """Write the same bytes to every live client; one that is full by then leaves during it."""
        for write in tuple(self._writes):
            write(data)


class FilterGroups:
    """The groups there are: made for the first client of a filter, gone with the last.

    Every distinct filter is compiled into one index under a name, and a release is looked up there once for all.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[Wanted, Dialect], FilterGroup] = {}
        self._by_filter: dict[str, dict[FilterGroup, None]] = {_UNFILTERED: {}}
        self._index = FilterIndex()
        self._names: dict[Filter, str] = {}
        self._holders: dict[Filter, int] = {}
        self._named = 0
        self._worded = 0  # of the filters, those that ask for the text

    def join(self, wanted: Wanted, dialect: Dialect, sent_through: int = 0) -> FilterGroup:
        """The group of a filter, with one more member (not live yet); a new one has been sent all so far."""
        group = self._groups.get((wanted, dialect)) or self._made(wanted, dialect, sent_through)
        group.members += 1
        return group

    def leave(self, group: FilterGroup) -> None:
        """One member fewer."""
        group.members -= 1
        if group.members:
            return
        del self._groups[group.wanted, group.dialect]
        name = _first_asked(group)
        del self._by_filter[name][group]
        if not self._by_filter[name] and name != _UNFILTERED:
            del self._by_filter[name]
        for each in (*group.wanted.filters(), *(group.wanted.products or ())):
            self._drop(each)

    def wanting(self, judged: Judged) -> Iterator[FilterGroup]:
        """The groups that are shown a release and have somebody live to show it to."""
        if judged.entry.kind in NOTICES:  # rare, and judged on the reach by rules of its own
            yield from (group for group in self._groups.values() if group.live and group.shows(judged))
            return
        found = self._wanting(judged)
        for name in (_UNFILTERED, *found):
            for group in self._by_filter.get(name, ()):
                if group.live and group.passes(found):
                    yield group

    def _wanting(self, judged: Judged) -> set[str]:
        """The filters that want a release."""
        if not self._names:
            return set()
        entry = judged.entry
        text = judged.text() if self._worded else NO_WORDS
        found = self._index.matching(entry.facts, text)
        if entry.kind in FOLLOWING and entry.reach is not None:
            found |= self._index.matching(entry.reach, text)
        return found

    def _made(self, wanted: Wanted, dialect: Dialect, sent_through: int) -> FilterGroup:
        all_of = tuple(self._put(each) for each in wanted.filters())
        any_of = None if wanted.products is None else tuple(self._put(each) for each in wanted.products)
        made = self._groups[wanted, dialect] = FilterGroup(wanted, dialect, sent_through, all_of, any_of)
        self._by_filter.setdefault(_first_asked(made), {})[made] = None
        return made

    def _put(self, wanted: Filter) -> str:
        self._holders[wanted] = self._holders.get(wanted, 0) + 1
        if wanted not in self._names:
            self._named += 1
            self._names[wanted] = str(self._named)
            self._index.put(self._names[wanted], wanted)
            self._worded += _is_worded(wanted)
        return self._names[wanted]

    def _drop(self, wanted: Filter) -> None:
        self._holders[wanted] -= 1
        if not self._holders[wanted]:
            del self._holders[wanted]
            self._index.drop(self._names.pop(wanted))
            self._worded -= _is_worded(wanted)

    def __iter__(self) -> Iterator[FilterGroup]:
        return iter(tuple(self._groups.values()))

    def __len__(self) -> int:
        return len(self._groups)


def _first_asked(group: FilterGroup) -> str:
    """The filter under which a group is found: the narrowest is likely its own."""
    return group.all_of[-1] if group.all_of else _UNFILTERED


def _is_worded(wanted: Filter) -> bool:
    return bool(wanted.keywords or wanted.not_.keywords)
