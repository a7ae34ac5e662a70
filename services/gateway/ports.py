"""What does the gateway need from outside? Small protocols; the platform and `adapters` provide them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shared.domain.state import StoryText, TextRef
from shared.domain.story import Lane
from shared.platform.publishing import Appended, Headers, Outgoing
from shared.platform.records import Record
from shared.platform.topics import Topic


class Publishing(Protocol):
    """`shared.platform.publishing.Publisher`: returns when the broker has the records; raises PublishError."""

    async def publish(
        self, topic: Topic, key: str, value: bytes | None, headers: Headers = (), *, partition: int | None = None
    ) -> Appended: ...

    async def publish_all(self, records: list[Outgoing]) -> list[Appended]: ...


class Texts(Protocol):
    """The text of a version while it is kept."""

    async def text(self, at: TextRef) -> StoryText | None:
        """The text there; None once it is gone. Raises TimeoutError when the broker does not answer."""
        ...


class Names(Protocol):
    """Name look-up, for judging where a webhook would go."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Every address of the name, none if it has none. Never raises for a name that does not resolve."""
        ...


class ReleasedEnds(Protocol):
    """Where the released lanes end now."""

    async def ends(self) -> Mapping[Lane, int]:
        """The offset of the next release of each lane. Raises NotReady without a broker."""
        ...


Apply = Callable[[Record], None]
