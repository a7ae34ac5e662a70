"""What the door needs: a log that keeps, a quarantine, and hints of what the desk knows."""

from collections.abc import Sequence
from typing import Any, Protocol

from shared.domain.errors import Unprocessable
from shared.domain.state import StoryState
from shared.platform.publishing import Appended
from shared.platform.topics import Topic


class Publishing(Protocol):
    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        deadline: float | None = None,
    ) -> Appended: ...


class Quarantine(Protocol):
    async def park_bytes(self, key: str, value: bytes, error: Unprocessable, stage: str = "") -> Appended: ...


class Answers(Protocol):
    """First answers by `Idempotency-Key`; a hint that may be lost at any moment."""

    async def first(self, source: str, key: str) -> dict[str, Any] | None: ...

    async def keep(self, source: str, key: str, answer: dict[str, Any]) -> None: ...


class Desk(Protocol):
    """What is known of a story at the door; best effort, the truth is the receipt."""

    def of(self, story_id: str) -> StoryState | None: ...

    def has_answered(self, story_id: str, event_id: str) -> bool:
        """Tell whether this filing is among the last ones of its story that the desk has decided."""
        ...
