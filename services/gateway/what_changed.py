"""What changed between two versions of a story? As JSON pointers for programs, as pieces of text for people. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any, Final, Literal

from shared.domain.item import Item
from shared.domain.story import Ninjs, changes_between, headline_of, plain_body_of

MOST_PARAGRAPHS: Final = 2_000
"""Beyond it a body counts as one paragraph: comparing costs the product of both lengths."""
MOST_WORDS: Final = 2_000
"""Beyond it a paragraph is shown as replaced whole."""

_NUMBERING: Final = frozenset({"version", "versionCreated"})
_PARAGRAPH: Final = re.compile(r"[^\n]*\n+|[^\n]+")
_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")

How = Literal["same", "removed", "added"]
_ORDER: Final[tuple[How, ...]] = ("same", "removed", "added")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text. What is `same` or `removed` makes the text before, `same` or `added` the one after."""

    how: How
    text: str


@dataclass(frozen=True, slots=True)
class ChangedText:
    """One text of the story that is not as it was."""

    field: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class WhatChanged:
    """`changes` are RFC 6901 pointers into `story`, each with `was` and `is`; `texts` the same for the eye."""

    changes: list[dict[str, Any]]
    texts: tuple[ChangedText, ...]


def what_changed(was: Item, now: Item) -> WhatChanged:
    """Compare two versions, but for what differs between any two."""
    changes = changes_between(_without_numbers(was.story), _without_numbers(now.story))
    after = _texts(now.story)
    texts = tuple(
        ChangedText(field, pieces_between(text, after[field]))
        for field, text in _texts(was.story).items()
        if text != after[field]
    )
    return WhatChanged(changes, texts)


def pieces_between(was: str, now: str) -> tuple[Piece, ...]:
    """Return the pieces of both texts: paragraph by paragraph, and word by word where a paragraph was changed."""
    return tuple(_joined(_compared(_cut(_PARAGRAPH, was), _cut(_PARAGRAPH, now), MOST_PARAGRAPHS, _by_words)))


def _by_words(was: str, now: str) -> Iterator[Piece]:
    return _compared(_cut(_WORD, was), _cut(_WORD, now), MOST_WORDS, _replaced)


def _replaced(was: str, now: str) -> Iterator[Piece]:
    yield Piece("removed", was)
    yield Piece("added", now)


def _compared(
    was: Sequence[str], now: Sequence[str], most: int, further: Callable[[str, str], Iterator[Piece]]
) -> Iterator[Piece]:
    """The parts that both have, and what `further` makes of the ones between."""
    if max(len(was), len(now)) > most:
        yield from further("".join(was), "".join(now))
        return
    for tag, i, j, k, m in SequenceMatcher(None, was, now).get_opcodes():
        before, after = "".join(was[i:j]), "".join(now[k:m])
        if tag == "equal":
            yield Piece("same", before)
        else:
            yield from further(before, after)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbours of one kind as one piece, empty ones left out; between two that stay, what went comes first."""
    for _, run in groupby((piece for piece in pieces if piece.text), key=lambda piece: piece.how == "same"):
        neighbours = list(run)
        for how in _ORDER:
            if text := "".join(piece.text for piece in neighbours if piece.how == how):
                yield Piece(how, text)


def _cut(by: re.Pattern[str], text: str) -> list[str]:
    return by.findall(text)


def _texts(story: Ninjs) -> dict[str, str]:
    return {
        "headline": headline_of(story),
        "slugline": str(story.get("slugline", "")),
        "byline": str(story.get("by", "")),
        "body": plain_body_of(story),
    }


def _without_numbers(story: Ninjs) -> dict[str, Any]:
    return {name: value for name, value in story.items() if name not in _NUMBERING}
