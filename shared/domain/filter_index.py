"""Which of very many filters want this release? All of them asked at once, a bit for each distinct filter."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from shared.domain.facts import Facts
from shared.domain.subscription import LISTS, Filter, Text, anchors_of, words_of

Clauses: TypeAlias = frozenset[tuple[str, frozenset[str]]]
"""What a filter asks for, as releases are looked up by: field, or `not.` and field, and any of which terms."""

_EXACT: Final = tuple(name for name in LISTS if name not in ("languages", "keywords"))
_MOST_URGENT: Final = 1
_FEW: Final = 64
"""Filters that name a term are kept one by one up to here, beyond it as a bit each."""
_ONES: Final = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


class FilterIndex:
    """Filters under the ids of those who have them; `matching` equals asking `wants` for each.

    Equal filters, however their terms are ordered, are judged once. A release costs a look-up for each of its words
    and facts, and for each field one operation over as many bits as there are distinct filters.
    """

    def __init__(self) -> None:
        self._numbers: dict[Clauses, int] = {}
        self._clauses: list[Clauses] = []
        self._holders: list[set[str]] = []
        self._number_of: dict[str, int] = {}
        self._free: list[int] = []
        self._in_use = 0
        self._fields = {name: _Field() for name in (*LISTS, "urgency_max", *(f"not.{name}" for name in LISTS))}
        self._keywords = _Keywords()

    def __len__(self) -> int:
        """How many distinct filters there are."""
        return len(self._numbers)

    def put(self, holder: str, wanted: Filter) -> None:
        """The filter of `holder` is this one from now on."""
        clauses = frozenset(_clauses_of(wanted))
        self.drop(holder)
        number = self._numbers.get(clauses)
        if number is None:
            number = self._numbers[clauses] = self._enter(clauses)
        self._number_of[holder] = number
        self._holders[number].add(holder)

    def drop(self, holder: str) -> None:
        """Forget the filter of `holder`, if it has one."""
        number = self._number_of.pop(holder, None)
        if number is None:
            return
        self._holders[number].discard(holder)
        if not self._holders[number]:
            self._leave(number)

    def matching(self, facts: Facts, text: Text | None) -> set[str]:
        """Return whose filter wants a release; `text` None as in `explain`."""
        found = self._in_use
        for name, terms in self._terms_of(facts, text):
            found &= self._fields[name].passed_by(terms)
            if excluding := self._fields.get(f"not.{name}"):
                found &= ~excluding.naming(terms)
            if not found:
                break
        return set().union(*(self._holders[number] for number in _ones(found)))

    def _terms_of(self, facts: Facts, text: Text | None) -> Iterator[tuple[str, Iterable[str]]]:
        """By field, the terms of which a clause must name one; without a text nothing is asked of keywords."""
        yield "urgency_max", (str(max(facts.urgency, _MOST_URGENT)),)
        yield "languages", {prefix for tag in facts.languages for prefix in _prefixes(tag.lower())}
        yield from ((name, getattr(facts, name)) for name in _EXACT)
        if text is not None:
            yield "keywords", self._keywords.occurring_in(text)

    def _enter(self, clauses: Clauses) -> int:
        if self._free:
            number = self._free.pop()
            self._clauses[number] = clauses
        else:
            number = len(self._clauses)
            self._clauses.append(clauses)
            self._holders.append(set())
        self._in_use |= 1 << number
        for name, terms in clauses:
            self._fields[name].add(number, terms)
            if name.endswith("keywords"):
                self._keywords.add(terms)
        return number

    def _leave(self, number: int) -> None:
        clauses, self._clauses[number] = self._clauses[number], frozenset()
        del self._numbers[clauses]
        self._in_use &= ~(1 << number)
        for name, terms in clauses:
            self._fields[name].remove(number, terms)
            if name.endswith("keywords"):
                self._keywords.remove(terms)
        self._free.append(number)


class _Field:
    """For each term of one field the filters that name it: a few by number, many as bits."""

    __slots__ = ("_few", "_many", "asking")

    def __init__(self) -> None:
        self.asking = 0
        """The filters that have a clause in this field."""
        self._few: dict[str, set[int]] = {}
        self._many: dict[str, int] = {}

    def add(self, number: int, terms: Iterable[str]) -> None:
        self.asking |= 1 << number
        for term in terms:
            if term in self._many:
                self._many[term] |= 1 << number
                continue
            few = self._few.setdefault(term, set())
            few.add(number)
            if len(few) > _FEW:
                self._many[term] = _bits(self._few.pop(term))

    def remove(self, number: int, terms: Iterable[str]) -> None:
        self.asking &= ~(1 << number)
        for term in terms:
            if term in self._many:
                self._many[term] &= ~(1 << number)
                if not self._many[term]:
                    del self._many[term]
                continue
            self._few[term].discard(number)
            if not self._few[term]:
                del self._few[term]

    def naming(self, terms: Iterable[str]) -> int:
        """The filters that name any of these terms."""
        many = 0
        few: set[int] = set()
        for term in terms:
            if numbers := self._few.get(term):
                few |= numbers
            elif bits := self._many.get(term):
                many |= bits
        return many | _bits(few)

    def passed_by(self, terms: Iterable[str]) -> int:
        """The filters that name any of these terms or have no clause here; numbers not in use count as such."""
        return self.naming(terms) | ~self.asking


class _Keywords:
    """The keywords of all filters, found in a text by its anchors."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._by_anchor: dict[str, set[str]] = {}

    def add(self, keywords: Iterable[str]) -> None:
        for words in keywords:
            self._used[words] = self._used.get(words, 0) + 1
            for anchor in anchors_of(words):
                self._by_anchor.setdefault(anchor, set()).add(words)

    def remove(self, keywords: Iterable[str]) -> None:
        for words in keywords:
            self._used[words] -= 1
            if not self._used[words]:
                del self._used[words]
                for anchor in anchors_of(words):
                    self._by_anchor[anchor].discard(words)
                    if not self._by_anchor[anchor]:
                        del self._by_anchor[anchor]

    def occurring_in(self, text: Text) -> set[str]:
        if not self._by_anchor:
            return set()
        found: set[str] = set()
        for anchor in self._by_anchor.keys() & text.anchors():
            found.update(words for words in self._by_anchor[anchor] if words == anchor or text.holds(words))
        return found


def _clauses_of(wanted: Filter) -> Iterator[tuple[str, frozenset[str]]]:
    for prefix, terms in (("", wanted), ("not.", wanted.not_)):
        for name in LISTS:
            if given := getattr(terms, name):
                yield prefix + name, frozenset(_looked_up(name, given))
    if wanted.urgency_max is not None:
        yield "urgency_max", frozenset(str(urgency) for urgency in range(_MOST_URGENT, wanted.urgency_max + 1))


def _looked_up(name: str, terms: Iterable[str]) -> Iterable[str]:
    if name == "languages":
        return (tag.lower() for tag in terms)
    if name == "keywords":  # one without any word is found nowhere
        return filter(None, map(words_of, terms))
    return terms


def _prefixes(tag: str) -> Iterator[str]:
    """Every range that matches a language tag by RFC 4647 basic filtering: `en-gb` and `en`."""
    yield tag
    yield from (tag[:at] for at, character in enumerate(tag) if character == "-")


def _bits(numbers: set[int]) -> int:
    if not numbers:
        return 0
    bits = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")


def _ones(bits: int) -> Iterator[int]:
    for at, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        if byte:
            for bit in _ONES[byte]:
                yield at * 8 + bit
