"""What the matcher and the deliverer need from the log; `shared.platform` has the real ones."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.events import DeliveryAttempted, StoryReleased
from shared.domain.story import Lane
from shared.platform.consuming import Record
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


class ReleasedLog(Protocol):
    """The released lanes, asked about the past."""

    async def read(self, lane: Lane, offset: int) -> StoryReleased | None:
        """Return the release at a place, its item with that place; None when the log does not have it any more."""
        ...

    async def record(self, lane: Lane, offset: int) -> Record | None:
        """Return the record itself, whatever is in it."""
        ...

    async def read_from(self, lane: Lane, offset: int, limit: int) -> list[tuple[int, StoryReleased | None]]:
        """Return what lies at a place and behind it with its offsets, at most so many; None for what is no release.

        Nothing at the end of the lane, nor where the log does not reach back any more (see `bounds`).
        """
        ...

    async def bounds(self) -> dict[Lane, tuple[int, int]]:
        """Return the first offset that each lane still has, and the one its next release will have."""
        ...

    async def passed(self, take: Callable[[Record], None]) -> int:
        """Hand over what has gone through the matcher and may have overtaken something that has not.

        Returns the place of the first flash that has not gone through.
        """
        ...


class AttemptLog(Protocol):
    """The delivery log, read back after a restart."""

    async def since_backlog(
        self, shards: frozenset[int], take: Callable[[DeliveryAttempted], None], not_after: datetime | None = None
    ) -> None:
        """Hand over the attempts of these shards since the oldest thing that may be asked for again.

        That is the oldest record whose offset has not passed, here or at the matcher, or `not_after` if older.
        """
        ...

    async def newest_delivered(self, shard: int, endpoint_id: str, since: datetime) -> dict[str, int]:
        """Return by story which newest release an endpoint has been delivered since a time, where it is not the first.

        Reads the shard's rows of all that time. Waits for a broker that is away.
        """
        ...

    async def flash_backlog(self, shards: frozenset[int]) -> dict[int, int]:
        """Return where `delivery.due.flash` ends now, for those of the shards in which something of it waits."""
        ...


class Clock(Protocol):
    def now(self) -> datetime: ...
