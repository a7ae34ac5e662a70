"""What must be done before inputs of newly owned partitions are taken, and when they go?"""

from collections.abc import Mapping

from services.moderation.handlers import Desk
from services.moderation.latecomers import Latecomers
from services.moderation.ports import Archive
from services.moderation.state_book import StateBook
from services.moderation.story_queue import StoryQueue
from shared.domain.state import StoryState
from shared.platform.health import Health
from shared.platform.logs import logger

CHECK = "states"


class Owner:
    """Loads states and puts out what the owner before may have left undone (`shared.platform.consuming.Ownership`)."""

    def __init__(
        self,
        book: StateBook,
        archive: Archive,
        desk: Desk,
        queue: StoryQueue,
        health: Health,
        latecomers: Latecomers | None = None,
    ) -> None:
        """Without `latecomers` nobody looks out for what an earlier owner writes late."""
        self._book = book
        self._archive = archive
        self._desk = desk
        self._queue = queue
        self._health = health
        self._latecomers = latecomers

    async def gained(self, partitions: frozenset[int]) -> None:
        """Return when the states are loaded and nothing that they imply is missing on the wire."""
        self._health.set(CHECK, False, "the stories' states are being loaded")
        self._book.forget(partitions)
        await self._archive.load(partitions, self._book.put, self._book.put_kill)
        committed = await self._archive.committed(partitions)
        repeated = 0
        for state in self._book.stories(partitions):
            if is_unconfirmed(state, committed) and not self._book.unfinished_kill(state.story_id):
                self._book.owed(state.story_id)
                await self._desk.settle(state.story_id)
                repeated += 1
        if self._latecomers is not None:
            self._latecomers.begin()
        self._health.set(CHECK, True)
        logger().info("states.loaded", partitions=sorted(partitions), stories=len(self._book), repeated=repeated)

    async def lost(self, partitions: frozenset[int]) -> None:
        """Stop whatever still runs, and forget the states: they are somebody else's to change now."""
        self._health.set(CHECK, False, "the partitions are moving")
        if self._latecomers is not None:
            await self._latecomers.end()
        await self._queue.abandon()
        self._book.forget(partitions)


def is_unconfirmed(state: StoryState, committed: Mapping[tuple[str, int], int]) -> bool:
    """Tell whether the outputs of the newest entry may be missing: its input's offset has not passed."""
    if not state.applied:
        return False
    entry = state.applied[-1]
    implies = entry.release is not None or bool(entry.drop)
    return implies and committed.get((entry.topic, entry.partition), 0) <= entry.offset
