"""Who did what? Entries of the audit topic, each holding the hash of its writer's entry before it."""

import asyncio
import hashlib
import json
from typing import Any, Final, Protocol

from shared.domain.item import rfc3339
from shared.platform.clock import Clock
from shared.platform.publishing import Appended
from shared.platform.topics import Topic

FIRST: Final = "0" * 64
"""`previous` of a writer's first entry."""


class Appending(Protocol):
    """`Publisher`, as far as entries need it: returns when the broker has the record; raises PublishError."""

    async def publish(self, topic: Topic, key: str, value: bytes | None) -> Appended: ...


class Audit:
    """One writer's chain. A process is a new writer each time it starts: no chain goes on over a crash."""

    def __init__(self, publisher: Appending, clock: Clock, writer: str) -> None:
        self._publisher = publisher
        self._clock = clock
        self._writer = writer
        self._n = 0
        self._previous = FIRST
        self._unconfirmed: list[tuple[str, bytes]] = []
        self._turn = asyncio.Lock()

    async def enter(self, actor: str, action: str, about: str, **detail: Any) -> None:
        """Add an entry and return when the broker has it; no story text, no secret in `detail`.

        Raises PublishError. What was not confirmed is published again before the next entry, so a reader may
        meet an entry twice, but never two entries with one number.
        """
        async with self._turn:
            self._n += 1
            entry = {
                "writer": self._writer,
                "n": self._n,
                "previous": self._previous,
                "at": rfc3339(self._clock.now()),
                "actor": actor,
                "action": action,
                "object": about,
                "detail": {name: value for name, value in detail.items() if value is not None},
            }
            value = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            self._previous = hashlib.sha256(value).hexdigest()
            self._unconfirmed.append((about or actor, value))
            await self._confirm()

    async def settle(self) -> None:
        """Publish what was entered and never confirmed, in its order. Raises PublishError."""
        async with self._turn:
            await self._confirm()

    async def _confirm(self) -> None:
        while self._unconfirmed:
            key, waiting = self._unconfirmed[0]
            await self._publisher.publish(Topic.AUDIT, key, waiting)
            self._unconfirmed.pop(0)
