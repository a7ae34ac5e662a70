"""A feed, polled: every entry that is new or changed is filed like any other story."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from services.ingest import feeds
from services.ingest.handlers import Asked, Door
from services.ingest.identity import story_id_for
from services.ingest.parsed import Parsed, TooLarge, Unparsable
from services.ingest.ports import Quarantine
from shared.domain.errors import Undecodable
from shared.domain.state import Principal
from shared.domain.story import content_hash
from shared.platform.logs import logger
from shared.platform.publishing import PublishError


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer of a feed's server; `body` None: nothing has changed."""

    body: bytes | None
    status: int


class Fetch(Protocol):
    async def __call__(self) -> Fetched:
        """Ask once, conditionally. Raises OSError (or a child of it) when the server cannot be reached."""
        ...


@dataclass(slots=True)
class FeedPoll:
    """One feed. What was filed is remembered by content, so that an unchanged entry costs nothing."""

    door: Door
    quarantine: Quarantine
    fetch: Fetch
    source: str
    every: float
    principal: Principal
    _filed: dict[str, str] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Job: poll at once, then every `every` seconds, until `stop`. A feed that fails is asked again."""
        while not stop.is_set():
            await self.once()
            try:
                async with asyncio.timeout(self.every):
                    await stop.wait()
            except TimeoutError:
                continue

    async def once(self) -> int:
        """Poll once; return how many entries were filed. Nothing that a feed does is an error of ours."""
        try:
            fetched = await self.fetch()
        except OSError as error:
            logger().warning("feed.unreachable", source=self.source, error=type(error).__name__)
            return 0
        if fetched.body is None:
            if fetched.status != 304:
                logger().warning("feed.refused", source=self.source, status=fetched.status)
            return 0
        try:
            entries = await asyncio.to_thread(feeds.parse, fetched.body)
        except (Unparsable, TooLarge) as error:
            return await self._set_aside(fetched.body, error)
        return await self._file(entries)

    async def _file(self, entries: tuple[Parsed, ...]) -> int:
        filed = 0
        for entry in reversed(entries):  # feeds list the newest first; the wire wants the oldest first
            story_id = story_id_for(self.source, entry)
            digest = content_hash(entry.story)
            if self._filed.get(story_id) == digest:
                continue
            try:
                accepted = await self.door.file(entry, Asked(source=self.source), self.principal)
            except PublishError:
                logger().warning("feed.waits", source=self.source, reason="the log does not confirm")
                return filed  # asked again at the next poll
            self._filed[story_id] = digest
            filed += not accepted.duplicate
        logger().info("feed.polled", source=self.source, entries=len(entries), filed=filed)
        return filed

    async def _set_aside(self, body: bytes, error: Exception) -> int:
        logger().warning("feed.unreadable", source=self.source, reason=str(error)[:200])
        try:
            await self.quarantine.park_bytes(f"feed {self.source}", body, Undecodable(str(error)), "feed")
        except PublishError:
            logger().warning("feed.waits", source=self.source, reason="the quarantine does not confirm")
        return 0
