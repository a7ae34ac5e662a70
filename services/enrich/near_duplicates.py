"""Has this text, or most of it, been on the wire before under another story?

Wire edits keep a copy inside a differently sized text (briefs, write-throughs, page chrome), so containment is
measured, not likeness: word 3-grams, one in eight kept by its hash, in an inverted index.
"""

import re
import unicodedata
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b, sha256

from services.enrich.words import UNSPACED

_READ_CHARS = 262_144
_SHINGLE_WORDS = 3
_SAMPLED_IN = 8
_LEAST_SHARED = 3
# Jaccard of 0.35 or more, the other sign measured, implies a containment of 0.52: one bound decides.
_LEAST_CONTAINMENT = 0.5
# Boilerplate stands in thousands of stories: the newest few of them are enough to compare with.
_MOST_STORIES_A_KEY = 64
_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Match:
    """A story whose text shares much with the one asked about.

    `containment` is the shared part of the shorter text, `jaccard` of both together, 0 to 1; `longer` says whether
    the known story is the longer of the two, so that a brief is told from the write-through of it.
    """

    story_id: str
    shared: int
    containment: float
    jaccard: float
    exact: bool
    longer: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    story_id: str
    keys: tuple[int, ...]
    at: datetime
    text_hash: str | None


def text_hash(text: str) -> str:
    """Give the SHA-256 (hex) of a text without regard to case, width and white space."""
    return sha256(_normal(text).encode("utf-8", "surrogatepass")).hexdigest()


def shingle_keys(text: str) -> tuple[int, ...]:
    """Give the sampled shingles of a text as sorted, stable 64-bit keys; about 40 for 2 kB, none for a line or two.

    Scripts without spaces count each pair of characters as a word, so a shingle covers four characters.
    """
    tokens = list(_tokens(_normal(text[:_READ_CHARS])[:_READ_CHARS]))
    shingles = (" ".join(tokens[at : at + _SHINGLE_WORDS]) for at in range(len(tokens) - _SHINGLE_WORDS + 1))
    return tuple(sorted({key for key in map(_key, shingles) if key % _SAMPLED_IN == 0}))


class DuplicateIndex:
    """The texts of the last days, found by what they share. Not thread-safe; rebuilt by adding everything again."""

    def __init__(self, *, window: timedelta = timedelta(days=7), max_keys: int = 500_000) -> None:
        """Keep stories for `window`, and at most `max_keys` keys (about 100 bytes each); the oldest go first."""
        self._window = window
        self._max_keys = max_keys
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._stories_of: dict[int | str, tuple[str, ...]] = {}
        self._key_count = 0
        self._newest: datetime | None = None

    def __len__(self) -> int:
        """Count the stories held."""
        return len(self._entries)

    @property
    def key_count(self) -> int:
        """Count the keys held, over all stories."""
        return self._key_count

    def add(self, story_id: str, keys: Sequence[int], at: datetime, *, text_hash: str | None = None) -> None:
        """Take in the newest text of a story in place of its earlier one; `at` is aware. Adding again changes nothing.

        A text filed before the window, counted from the newest one seen, is left out.
        """
        self._forget(story_id)
        self._newest = at if self._newest is None else max(self._newest, at)
        if at >= self._newest - self._window and len(keys) <= self._max_keys:
            self._remember(_Entry(story_id, tuple(keys), at, text_hash))
        while self._entries and (
            self._key_count > self._max_keys or self._is_stale(next(iter(self._entries.values())))
        ):
            self._forget(next(iter(self._entries)))

    def lookup(
        self, keys: Sequence[int], *, leave_out: str | None = None, text_hash: str | None = None
    ) -> Match | None:
        """Give the story that holds, or is held in, most of the text with these keys; `leave_out` is the story itself.

        At least three shared keys and half of the shorter text; of equal matches the older story.
        """
        exact = self._exact(text_hash, leave_out)
        if exact is not None:
            return Match(exact.story_id, len(exact.keys), 1.0, 1.0, exact=True, longer=False)
        shared = Counter(story for key in keys for story in self._stories_of.get(key, ()))
        matches = (self._match(self._entries[story], count, len(keys)) for story, count in shared.items())
        alike = [match for match in matches if match.story_id != leave_out and self._counts(match)]
        return min(
            alike, key=lambda m: (-m.containment, -m.jaccard, self._entries[m.story_id].at, m.story_id), default=None
        )

    def _counts(self, match: Match) -> bool:
        enough = match.shared >= _LEAST_SHARED and match.containment >= _LEAST_CONTAINMENT
        return enough and not self._is_stale(self._entries[match.story_id])

    def _exact(self, text_hash: str | None, leave_out: str | None) -> _Entry | None:
        known = self._stories_of.get(text_hash, ()) if text_hash is not None else ()
        entries = (self._entries[story] for story in known if story != leave_out)
        return next((entry for entry in entries if not self._is_stale(entry)), None)

    def _match(self, entry: _Entry, shared: int, asked: int) -> Match:
        known = len(entry.keys)
        containment, jaccard = shared / min(known, asked), shared / (known + asked - shared)
        return Match(entry.story_id, shared, containment, jaccard, exact=False, longer=known > asked)

    def _is_stale(self, entry: _Entry) -> bool:
        return self._newest is not None and entry.at < self._newest - self._window

    def _remember(self, entry: _Entry) -> None:
        self._entries[entry.story_id] = entry
        self._key_count += len(entry.keys)
        for key in _index_keys(entry):
            known = self._stories_of.get(key, ())
            self._stories_of[key] = (*known[1 - _MOST_STORIES_A_KEY :], entry.story_id)

    def _forget(self, story_id: str) -> None:
        entry = self._entries.pop(story_id, None)
        if entry is None:
            return
        self._key_count -= len(entry.keys)
        for key in _index_keys(entry):
            left = tuple(story for story in self._stories_of.get(key, ()) if story != story_id)
            if left:
                self._stories_of[key] = left
            else:
                self._stories_of.pop(key, None)


def _index_keys(entry: _Entry) -> tuple[int | str, ...]:
    """Shingles are integers, the exact hash a string: they share one index without meeting."""
    return entry.keys if entry.text_hash is None else (*entry.keys, entry.text_hash)


def _normal(text: str) -> str:
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _tokens(text: str) -> Iterator[str]:
    """Give words; of a run in a script without spaces, each pair of neighbouring characters."""
    for word in _WORD.findall(text):
        if UNSPACED.search(word) is None:
            yield word
        else:
            yield from (word[at : at + 2] for at in range(max(1, len(word) - 1)))


def _key(shingle: str) -> int:
    return int.from_bytes(blake2b(shingle.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
