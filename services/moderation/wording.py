"""Where in a text do given phrases stand, and where is somebody's age told?

Works on words, so a phrase never matches inside one; hyphens and line ends between words count as spaces.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_JOIN: Final = re.compile(r"[\s\-\u2010-\u2015]+")
_SENTENCE_ENDS: Final = re.compile(r"[.!?…][\"'”’)]*\s|\n\s*\n")
_NAME_GAP: Final = re.compile(r"\s*[,(]\s*")
_AFTER_AGE: Final = re.compile(r"\s*(?:[,.;:)!?]|$|and\b|or\b)")

_TO_NINETEEN: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_NUMBERS: Final = {word: number for number, word in enumerate(_TO_NINETEEN)}
_YEARS: Final = frozenset(("year", "years", "yr", "yrs"))
_SHORTER: Final = frozenset(("month", "months", "week", "weeks", "day", "days"))
_OLD: Final = frozenset(("old", "olds", "old's"))

BEFORE: Final = 6
AFTER: Final = 3
"""How many words a person word may stand before or behind an age, in the same sentence."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text cut into words once, for all rules: lower-case words, and where each begins and ends (code points).

    `places` finds the positions of a word in `words`, so that a rule costs nothing where its words do not occur.
    """

    text: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    places: dict[str, list[int]]

    def word(self, at: int) -> str:
        """Return word `at`, an empty string before the first and behind the last."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    def gap(self, at: int) -> str:
        """Return what stands between word `at` and the next one; up to the end behind the last."""
        end = self.starts[at + 1] if at + 1 < len(self.words) else len(self.text)
        return self.text[self.ends[at] : end]

    def joined(self, first: int, last: int) -> bool:
        """Tell whether only spaces and hyphens stand between the words of a run."""
        return all(_JOIN.fullmatch(self.gap(at)) for at in range(first, last))

    def is_capitalised(self, at: int) -> bool:
        return self.text[self.starts[at]].isupper()


@dataclass(frozen=True, slots=True)
class Found:
    """Code points of a match, end exclusive."""

    start: int
    end: int


def passage(text: str) -> Passage:
    """Return `text` with its words; linear in its length."""
    found = Passage(text, [], [], [], {})
    for at, match in enumerate(_WORD.finditer(text)):
        word = match[0].lower().replace("’", "'")
        found.words.append(word)
        found.starts.append(match.start())
        found.ends.append(match.end())
        found.places.setdefault(word, []).append(at)
    return found


class Phrases:
    """A set of phrases found as whole words, without regard to case and to how words are spaced."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in phrases:
            words = tuple(passage(phrase).words)
            if not words:
                raise ValueError(f"no word in the phrase {phrase!r}")
            self._by_first.setdefault(words[0], []).append(words)

    def find(self, text: Passage) -> Iterator[Found]:
        """Give the matches in order; where several begin at one word, the longest."""
        for at in sorted(at for word in self._by_first.keys() & text.places.keys() for at in text.places[word]):
            matches = [phrase for phrase in self._by_first[text.words[at]] if _stands(text, at, phrase)]
            if matches:
                yield Found(text.starts[at], text.ends[at + max(map(len, matches)) - 1])


def _stands(text: Passage, at: int, phrase: Sequence[str]) -> bool:
    end = at + len(phrase)
    return tuple(text.words[at:end]) == phrase and text.joined(at, end - 1)


class Minors:
    """Persons said to be younger than an age: "17-year-old boy", "schoolgirl, 15", "Ann Example, aged 12".

    English only. `persons` are words for people who may be that young, `verbs` words that show that "a
    15-year-old" itself is the person.
    """

    def __init__(self, under: int, persons: Iterable[str], verbs: Iterable[str]) -> None:
        self._under = under
        self._persons = frozenset(persons)
        self._verbs = frozenset(verbs)

    def find(self, text: Passage) -> Iterator[Found]:
        """Give the ages in order, each from its first word to its last."""
        ages = {word: age for word in text.places if (age := _number(word)) is not None}
        for at in sorted(at for word in ages for at in text.places[word]):
            last = self._told(text, at, ages[text.words[at]])
            if last is not None:
                yield Found(text.starts[at], text.ends[last])

    def _told(self, text: Passage, at: int, age: int) -> int | None:
        """Return the last word of the age told at `at`, or None where no young person's age is told."""
        unit = text.word(at + 1)
        if text.word(at + 2) in _OLD and text.joined(at, at + 2):
            young = unit in _SHORTER or (unit in _YEARS and age < self._under)
            return at + 2 if young and self._is_a_person(text, at, at + 2) else None
        if age >= self._under:
            return None
        aged = self._age_word(text, at)
        if aged is not None:
            named = self._follows_name(text, aged) and unit not in _YEARS
            return at if named or self._has_person(text, aged, at) else None
        return at if self._is_apposition(text, at) else None

    def _is_a_person(self, text: Passage, first: int, last: int) -> bool:
        alone = text.word(last) == "old's" or (text.word(last + 1) in self._verbs and text.joined(last, last + 1))
        return alone or self._has_person(text, first, last)

    def _has_person(self, text: Passage, first: int, last: int) -> bool:
        around = (*range(max(0, first - BEFORE), first), *range(last + 1, min(len(text.words), last + 1 + AFTER)))
        return any(text.word(at) in self._persons and _in_one_sentence(text, at, first) for at in around)

    @staticmethod
    def _age_word(text: Passage, at: int) -> int | None:
        """Return where "aged" or "age" stands before the number, as in "aged 15", "at the age of just 15"."""
        before = at - 1
        while text.word(before) in {"of", "just", "only"}:
            before -= 1
        return before if text.word(before) in {"aged", "age", "ages"} and text.joined(before, at) else None

    @staticmethod
    def _follows_name(text: Passage, at: int) -> bool:
        """Tell whether a capitalised word and a comma stand before word `at`."""
        return at > 0 and text.is_capitalised(at - 1) and bool(_NAME_GAP.fullmatch(text.gap(at - 1)))

    def _is_apposition(self, text: Passage, at: int) -> bool:
        """Tell whether the number stands as in "schoolgirl, 15," or "Pupil Ann Example (15)"."""
        if at == 0 or not _NAME_GAP.fullmatch(text.gap(at - 1)) or not _AFTER_AGE.match(text.text, text.ends[at]):
            return False
        for back in range(at - 1, max(-1, at - 5), -1):
            if text.word(back) in self._persons:
                return True
            if not text.is_capitalised(back) or (back and not text.joined(back - 1, back)):
                return False
        return False


def _number(word: str) -> int | None:
    if word.isascii() and word.isdigit() and len(word) <= 2:
        return int(word)
    return _NUMBERS.get(word)


def _in_one_sentence(text: Passage, one: int, other: int) -> bool:
    first, last = sorted((one, other))
    return not _SENTENCE_ENDS.search(text.text, text.ends[first], text.starts[last])
