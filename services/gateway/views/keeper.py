"""How do the views follow the wire, and come back whole when Redis was emptied?"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from services.gateway.views.documents import Document, document_of
from services.gateway.views.ports import ReadLog, Store, ViewsMissing
from shared.domain.errors import Unprocessable
from shared.domain.events import StoryReleased
from shared.platform.consuming import Completion
from shared.platform.envelopes import decode
from shared.platform.health import Health
from shared.platform.logs import logger
from shared.platform.metrics import VIEWS_GENERATION
from shared.platform.records import Record

CHECK: Final = "views in Redis"
LOOK_EVERY_S: Final = 0.5
AT_ONCE: Final = 200


@dataclass(slots=True)
class ViewsKeeper:
    """Handler and owner of the views' consumer group; the member that owns the lanes also rebuilds.

    A record that cannot be applied now waits with its offset until `run` has mended the views.
    """

    store: Store
    read_log: ReadLog
    health: Health
    look_every_s: float = LOOK_EVERY_S
    _owner: bool = False
    _serving: str | None = None
    _waiting: list[tuple[Document, Completion]] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def gained(self, partitions: frozenset[int]) -> None:
        self._owner = bool(partitions)
        self._wake.set()

    async def lost(self, partitions: frozenset[int]) -> None:
        self._owner = False
        self._waiting.clear()  # whoever owns them now is given them again

    async def handle(self, record: Record) -> Completion | None:
        """Take a release into the views. Raises Unprocessable."""
        document = document_of(decode(record, kinds=StoryReleased), record)
        if self._serving is not None and not self._waiting:
            with suppress(ViewsMissing):
                if await self.store.apply(self._serving, [document]):
                    return None
        completion = Completion()
        self._waiting.append((document, completion))
        self._wake.set()
        return completion

    async def run(self, stop: asyncio.Event) -> None:
        """Job: look after the views until `stop`; rebuild them when they are gone."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                mending = asyncio.create_task(self._mend())
                await asyncio.wait({mending, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not mending.done():
                    mending.cancel()
                    await asyncio.wait({mending})
                    return
                mending.result()
                waking = asyncio.create_task(self._wake.wait())
                await asyncio.wait({waking, stopping}, timeout=self.look_every_s, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
        finally:
            stopping.cancel()

    async def _mend(self) -> None:
        try:
            serving = await self.store.serving()
            if serving is None:
                self._say(None)
                if not self._owner:
                    return
                serving = await self._rebuild()
            self._say(serving)
            await self._catch_up(serving)
        except ViewsMissing as missing:
            self._say(None, str(missing))

    async def _rebuild(self) -> str:
        """Fill a new generation from the log and serve it; what is released meanwhile waits and is applied after."""
        generation = await self.store.begin()
        logger().info("views.rebuilding", generation=generation)
        documents: asyncio.Queue[Document | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            filling = group.create_task(self._fill(generation, documents))
            known: set[bytes] = set()
            ends = await self.read_log(lambda record: _put(documents, record, known), documents.join)
            documents.put_nowait(None)
        whole = filling.result() and await self.store.reach(generation, ends)
        if not whole or not await self.store.publish(generation):
            raise ViewsMissing("the views vanished while they were rebuilt")
        await self.store.sweep()
        logger().info("views.rebuilt", generation=generation)
        return generation

    async def _fill(self, generation: str, documents: "asyncio.Queue[Document | None]") -> bool:
        """Apply until None comes; False when the generation vanished, then the rest is only taken away."""
        whole = True
        while True:
            some = [await documents.get()]
            while len(some) < AT_ONCE and not documents.empty():
                some.append(documents.get_nowait())
            found = [document for document in some if document is not None]
            if whole and found:
                whole = await self._applied(generation, found)
            for _ in some:
                documents.task_done()
            if some[-1] is None:
                return whole

    async def _applied(self, generation: str, documents: Sequence[Document]) -> bool:
        try:
            return await self.store.apply(generation, documents)
        except ViewsMissing:
            return False

    async def _catch_up(self, serving: str) -> None:
        while self._waiting:
            some = self._waiting[:AT_ONCE]
            if not await self.store.apply(serving, [document for document, _ in some]):
                raise ViewsMissing("the views vanished")
            del self._waiting[: len(some)]
            for _, completion in some:
                completion.complete()

    def _say(self, serving: str | None, reason: str = "") -> None:
        self._serving = serving
        self.health.set(CHECK, serving is not None, reason or "the views are being rebuilt")
        VIEWS_GENERATION.set(int(serving.removeprefix("g")) if serving else 0)


def _put(documents: "asyncio.Queue[Document | None]", record: Record, known: set[bytes]) -> None:
    """Queue a release once: its event lies in its lane and, while it is the newest, in `story.current` as well."""
    event_id = record.headers.get("ce_id")
    if record.value is None or event_id in known:
        return
    try:
        documents.put_nowait(document_of(decode(record, kinds=StoryReleased), record))
    except Unprocessable as error:  # the consumer parks it; a rebuild only passes it
        logger().warning("views.unreadable", topic=record.topic, offset=record.offset, error=type(error).__name__)
        return
    if event_id is not None:
        known.add(event_id)
