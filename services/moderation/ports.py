"""What do the handlers need of the world outside? Every write returns once the broker has confirmed it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from services.moderation.agenda import Due
from shared.domain.events import StoryReleased
from shared.domain.state import KillRecord, StoryState, StoryText, TextRef
from shared.platform.records import Record


class Ledger(Protocol):
    """The topics that moderation writes. Any write may arrive although it raised: it is then made again.

    Raises `NoLongerOwner` instead of writing where the story may belong to somebody else by now.
    """

    async def keep_text(self, text: StoryText) -> TextRef:
        """Put a version's text into `story.text` and say where it lies."""

    async def keep_kill(self, record: KillRecord) -> None:
        """Put a kill beside the state, for ever."""

    async def keep_state(self, state: StoryState) -> None:
        """Replace the story's record in `story.state`."""

    async def put_out(self, event: StoryReleased) -> None:
        """Put a release on its lane, and the same on `story.current`."""

    async def keep_current(self, event: StoryReleased) -> None:
        """Put a release on `story.current` alone, where an older one has been written over it."""

    async def drop_texts(self, story_id: str, versions: Collection[int]) -> None:
        """Put tombstones over the texts of these versions."""


class Texts(Protocol):
    """Texts that were kept."""

    async def fetch(self, ref: TextRef) -> StoryText | None:
        """Return the text at that place, None when it is not there any more."""


class Archive(Protocol):
    """What was known of the stories of a partition before this process came to own it."""

    async def load(
        self,
        partitions: frozenset[int],
        state: Callable[[int, StoryState], None],
        kill: Callable[[int, KillRecord], None],
    ) -> None:
        """Hand over the newest state of each story, and every kill, with their partition."""

    async def follow(self, see: Callable[[Record], None]) -> None:
        """Hand over whatever was written to the owner's compacted topics since `load` began, until cancelled."""

    async def committed(self, partitions: frozenset[int]) -> Mapping[tuple[str, int], int]:
        """Return the committed offset of each (topic, partition) that inputs come from; unknown ones are left out."""


class Lifts(Protocol):
    """The topic through which the embargo clock speaks to the owner of a story."""

    async def send(self, due: Sequence[Due]) -> None:
        """Put these lifts on `desk.lifts`."""

    async def probe(self) -> None:
        """Have the broker tell its time, changing nothing."""


class NoLongerOwner(Exception):
    """The last heartbeat is too old to be sure that the partition is still ours; nothing was written."""
