"""How does a record become its output without holding up the process, however strange its story is?"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.domain.errors import Undecodable, Unprocessable
from shared.domain.events import StoryEnriched, StoryReceived
from shared.domain.story import Lane
from shared.platform.envelopes import decode, encode, headers_for
from shared.platform.logs import logger
from shared.platform.publishing import Outgoing
from shared.platform.records import Record
from shared.platform.topics import Topic, key_of
from shared.platform.tracing import extract, span

RECEIVED = {Lane.FLASH: Topic.RECEIVED_FLASH, Lane.ROUTINE: Topic.RECEIVED}
INBOX = {Lane.FLASH: Topic.INBOX_FLASH, Lane.ROUTINE: Topic.INBOX}

GIVE_UP_S = 10.0  # below the lane's own limit, which would end the process and meet the same story again
THREAD = "enrich.steps"


class TakesTooLong(Unprocessable):
    """The story was not described in time; the next start would fare no better."""


class Worker:
    """Hands one filing at a time to `describe`, in a thread.

    A story takes about 5 ms, the strangest some hundred: in a thread they leave the event loop its heartbeats,
    confirmations and health answers, at the price of a tenth of a millisecond.
    """

    def __init__(self, describe: Callable[[StoryReceived], StoryEnriched], give_up_s: float = GIVE_UP_S) -> None:
        self._describe = describe
        self._give_up_s = give_up_s
        self._thread = ThreadPoolExecutor(1, THREAD)

    async def handle(self, record: Record) -> Sequence[Outgoing]:
        """Return the record for the desk's inbox, keyed by the story. Raises Unprocessable: park the record."""
        event = decode(record, kinds=StoryReceived)
        key = _key(event)
        began = time.monotonic()
        with span("enrich.describe", extract(record.headers), story_id=event.story_id, event_id=event.event_id):
            enriched = await self._described(event)
            output = Outgoing(INBOX[enriched.data.lane], key, encode(enriched), headers_for(enriched))
        logger().info(
            "story.enriched",
            story_id=event.story_id,
            version=event.version,
            event_id=enriched.event_id,
            lane=enriched.data.lane,
            labels=enriched.data.labels,
            ms=round((time.monotonic() - began) * 1000, 1),
        )
        return [output]

    async def _described(self, event: StoryReceived) -> StoryEnriched:
        try:
            async with asyncio.timeout(self._give_up_s):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._describe, event)
        except TimeoutError as error:
            # nobody can stop a thread: it is left to its story, the next story gets another one
            self._thread.shutdown(wait=False)
            self._thread = ThreadPoolExecutor(1, THREAD)
            raise TakesTooLong(f"not enriched within {self._give_up_s:g} s") from error

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False)


def _key(event: StoryReceived) -> str:
    try:
        return key_of(event.story_id)
    except ValueError as error:
        raise Undecodable(f"the story_id cannot be a key: {error}") from error
