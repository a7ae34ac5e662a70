"""How does a record reach the desk: decoded at once, handled in its story's turn, timed and traced?"""

import time
from functools import partial

from services.moderation.handlers import Desk, Taken, read
from services.moderation.story_queue import StoryQueue
from shared.domain.errors import Undecodable
from shared.platform.consuming import Completion, Handler
from shared.platform.metrics import HANDLE_SECONDS
from shared.platform.records import Record
from shared.platform.topics import Topic, partition_of
from shared.platform.tracing import extract, span

STAGES = {Topic.INBOX_FLASH: "inbox", Topic.INBOX: "inbox", Topic.LIFTS: "lift"}


def handler(desk: Desk, queue: StoryQueue, partitions: int) -> Handler:
    """Return what the loop calls with each record; it raises Unprocessable for what is no input of ours.

    `partitions`: how many the inboxes have. A story's input in another partition would make it a second owner.
    """

    async def take(record: Record) -> Completion:
        event = read(record)
        if record.partition != partition_of(event.story_id, partitions):
            raise Undecodable("the record does not lie in the partition of its story")
        urgent = record.topic is Topic.INBOX_FLASH
        return await queue.submit(event.story_id, partial(_handle, desk, record, event), urgent=urgent)

    return take


async def _handle(desk: Desk, record: Record, event: Taken) -> None:
    began = time.monotonic()
    with span("moderation.decide", extract(record.headers), story_id=event.story_id, event_id=event.event_id):
        await desk.handle(record, event)
    lane = "flash" if record.topic is Topic.INBOX_FLASH else "routine"
    HANDLE_SECONDS.labels("moderation", STAGES[record.topic], lane).observe(time.monotonic() - began)
