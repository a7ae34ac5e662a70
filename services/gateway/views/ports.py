"""What do the views need of their store and of the log?"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from services.gateway.stream.positions import Position
from services.gateway.views.documents import Document
from shared.platform.records import Record


class ViewsMissing(Exception):
    """There are no whole views at this moment: Redis is away, was emptied, or is being filled."""


class Place(NamedTuple):
    """A place in a list, which is ordered by time and then id, both descending."""

    at_us: int
    story_id: str


class Reached(NamedTuple):
    """What the views hold: all of each lane before a position, in the words of one generation."""

    generation: str
    position: Position


class Store(Protocol):
    """Generations of views. Every call raises ViewsMissing when Redis does not answer."""

    async def serving(self) -> str | None:
        """The generation that is read; None when there is none."""
        ...

    async def begin(self) -> str:
        """Open a new generation, to be filled; one that was opened before and not published is given up."""
        ...

    async def apply(self, generation: str, documents: Sequence[Document]) -> bool:
        """Take documents in any order, any number of times; False when the generation has vanished."""
        ...

    async def reach(self, generation: str, position: Position) -> bool:
        """Note that all before a position was applied, or is not kept any more; False when it has vanished."""
        ...

    async def publish(self, generation: str) -> bool:
        """Serve a generation from now on; False when it has vanished meanwhile."""
        ...

    async def sweep(self) -> None:
        """Delete what belongs to no generation in use."""
        ...


class Progress(Protocol):
    """How far the views have come."""

    async def reached(self) -> Reached:
        """What is read after this holds all of it, and may hold more. Raises ViewsMissing."""
        ...


class Views(Protocol):
    """Reading; every call raises ViewsMissing rather than answer from what is not whole."""

    async def story(self, story_id: str) -> Document | None:
        """The newest release of a story."""
        ...

    async def versions(self, story_id: str) -> list[Document]:
        """The newest release of each released version that is kept, by version."""
        ...

    async def listed(
        self, section: str | None, before: Place | None, since_us: int, at_most: int
    ) -> list[tuple[Place, Document]]:
        """The next stories of a list, newest first, notices included."""
        ...


ReadLog = Callable[[Callable[[Record], None], Callable[[], Awaitable[None]]], Awaitable[Position]]
"""Reads every record of the released topics, then of `story.current`, up to their present ends.

Awaits its second argument after every few hundred records, so that what has been read is worked off. Returns the ends
of the lanes up to which it has read.
"""
