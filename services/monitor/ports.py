"""What monitor needs from outside."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from services.monitor.lag import Reading
from shared.platform.publishing import Appended, Headers
from shared.platform.records import Record
from shared.platform.topics import Topic


class LagReader(Protocol):
    """Reads what every group has committed, every partition's end, and how old the oldest waiting record is."""

    async def read(self) -> Reading:
        """Read all of it once; commits before ends, so that lag is never negative by the order of reading.

        Raises `Unreadable` when the broker does not answer.
        """


class DeadReader(Protocol):
    """Reads one dead letter from its topic."""

    async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
        """Return the record there, None when there is none (any more). Raises `Unreadable`."""


class AuditReader(Protocol):
    """Reads the audit, as it is at this moment, from the broker."""

    async def begins(self, since: datetime | None) -> datetime | None:
        """Return the time before which entries may be kept no longer or lie before `since`; None: all are kept.

        Raises `Unreadable`.
        """

    async def read(self, apply: Callable[[Record], None], since: datetime | None) -> None:
        """Hand over each record from `since` on, in order per partition. Raises `Unreadable`."""


class Sending(Protocol):
    """`shared.platform.publishing.Publisher`: returns when the broker has the record; raises PublishError."""

    async def publish(
        self, topic: Topic, key: str, value: bytes | None, headers: Headers = (), *, partition: int | None = None
    ) -> Appended: ...


class Unreadable(Exception):
    """The broker did not answer; `str(error)` says what went wrong."""


Committed = Mapping[tuple[str, int], int]
"""What those who take a story further have committed, per (topic, partition): all before it is processed."""
