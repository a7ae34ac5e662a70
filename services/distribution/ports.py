"""What the matcher and the deliverer need from the log; `shared.platform` has the real ones."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.events import DeliveryAttempted, StoryReleased
from shared.platform.publishing import Appended, Outgoing
from shared.platform.topics import Topic


class Publishing(Protocol):
    """Appends, and returns when the broker has the records."""

    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        partition: int | None = None,
    ) -> Appended: ...

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]: ...


class CurrentReleases(Protocol):
    """The newest release of a story, by the record of `story.current`."""

    async def newest(self, story_id: str, at_least: int = 0) -> StoryReleased | None:
        """Return it, None when the story has none; waits a little for one whose number is `at_least`."""
        ...


class AttemptLog(Protocol):
    """The delivery log, read back after a restart."""

    async def since_backlog(self, shards: frozenset[int], take: Callable[[DeliveryAttempted], None]) -> None:
        """Hand over the attempts of these shards from before the oldest record whose offset has not passed."""
        ...


class Clock(Protocol):
    def now(self) -> datetime: ...
