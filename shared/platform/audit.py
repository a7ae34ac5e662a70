"""Who did what? Entries of the audit topic, each holding the hash of its writer's entry before it.

A process is a new writer each time it starts, so that two never write one chain; the first entry of a life names the
last entry of the life before it (`after`), so that the end of a chain cannot vanish unseen either.
"""

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from aiokafka.errors import KafkaError

from shared.domain.item import rfc3339
from shared.platform.clock import Clock
from shared.platform.logs import logger
from shared.platform.publishing import Appended, Headers
from shared.platform.reading import Tail
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

FIRST: Final = "0" * 64
"""`previous` of a first entry that follows no earlier life."""
HASH: Final = "audit-sha256"
"""Header with the SHA-256 of the value, in hex: the last entry of a chain has no other witness."""
LOOK_BACK: Final = timedelta(days=31)
LOOK_WITHIN_S: Final = 5.0


class Link(NamedTuple):
    """One entry as another one names it; `hash` is the SHA-256 of its bytes, in hex."""

    writer: str
    n: int
    hash: str


Before = Callable[[], Awaitable[Link | None]]
"""Finds the last entry of the life before this one; None when there is none to be found."""


class Appending(Protocol):
    """`Publisher`, as far as entries need it: returns when the broker has the record; raises PublishError."""

    async def publish(self, topic: Topic, key: str, value: bytes | None, headers: Headers = ()) -> Appended: ...


class Audit:
    """One writer's chain: one life of one process."""

    def __init__(self, publisher: Appending, clock: Clock, writer: str, before: Before | None = None) -> None:
        """`before` is asked once, ahead of the first entry."""
        self._publisher = publisher
        self._clock = clock
        self._writer = writer
        self._before = before
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
            after = await self._look_back() if self._n == 0 else None
            self._n += 1
            entry = {
                "writer": self._writer,
                "n": self._n,
                "previous": self._previous if after is None else after.hash,
                "at": rfc3339(self._clock.now()),
                "actor": actor,
                "action": action,
                "object": about,
                "detail": {name: value for name, value in detail.items() if value is not None},
            }
            if after is not None:
                entry["after"] = {"writer": after.writer, "n": after.n}
            value = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            self._previous = hash_of(value)
            self._unconfirmed.append((about or actor, value))
            await self._confirm()

    async def settle(self) -> None:
        """Publish what was entered and never confirmed, in its order. Raises PublishError."""
        async with self._turn:
            await self._confirm()

    async def _confirm(self) -> None:
        while self._unconfirmed:
            key, waiting = self._unconfirmed[0]
            await self._publisher.publish(Topic.AUDIT, key, waiting, [(HASH, hash_of(waiting).encode())])
            self._unconfirmed.pop(0)

    async def _look_back(self) -> Link | None:
        if self._before is None:
            return None
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                return await self._before()
        except (KafkaError, TimeoutError) as error:  # what is to be entered matters more than the link
            logger().warning("audit.unlinked", writer=self._writer, error=type(error).__name__)
            return None


def hash_of(value: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(value).hexdigest()


def new_writer(service: str, instance: str, now: datetime) -> str:
    """A name for one life of one process, which no other process has, whatever its instance and clock."""
    return f"{service}-{instance}-{int(now.timestamp() * 1000)}-{secrets.token_hex(2)}"


async def last_entry(kafka: KafkaSettings, service: str, instance: str, now: datetime) -> Link | None:
    """The newest entry of any life of this instance within LOOK_BACK. Waits for a broker that is away."""
    lives = re.compile(rf"{re.escape(service)}-{re.escape(instance)}-\d+-[0-9a-f]{{4}}")
    newest: tuple[int, Link] | None = None

    def apply(record: Record) -> None:
        nonlocal newest
        link = link_of(record)
        if link is None or not lives.fullmatch(link.writer):
            return
        found = (record.timestamp_ms, link)
        if newest is None or (found[0], link.n) > (newest[0], newest[1].n):
            newest = found

    async with Tail(kafka, (Topic.AUDIT,)) as tail:
        await tail.load(apply, now - LOOK_BACK)
    return newest[1] if newest else None


def link_of(record: Record) -> Link | None:
    """How an entry is named by others; None for what is no entry."""
    try:
        entry = json.loads(record.value or b"")
        return Link(str(entry["writer"]), int(entry["n"]), hash_of(record.value or b""))
    except (ValueError, KeyError, TypeError):
        return None
