"""A record becomes its output off the event loop, and what cannot become one is told to be parked."""

import asyncio
import threading

import pytest

from services.enrich.handlers import Describer
from services.enrich.released_texts import ReleasedTexts
from services.enrich.steps import Steps
from services.enrich.worker import TakesTooLong, Worker
from shared.domain.errors import Undecodable, UnknownEventType
from shared.domain.events import DeskDecided, StoryEnriched, StoryReceived, encode_event, parse_event
from shared.domain.story import Lane
from shared.platform.clock import FixedClock
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.domain.stories import deciding
from tests.services.enrich.filings import NOON, STORY, received, record
from tests.waiting import wait_until


def worker(steps: Steps, lane: Lane = Lane.ROUTINE) -> Worker:
    return Worker(Describer(lane, steps, ReleasedTexts(), FixedClock(NOON)).describe)


def filing(event: StoryReceived) -> Record:
    return record(Topic.RECEIVED, encode_event(event), event.story_id)


@pytest.mark.parametrize(("lane", "inbox"), [(Lane.ROUTINE, Topic.INBOX), (Lane.FLASH, Topic.INBOX_FLASH)])
async def test_a_filing_goes_to_the_inbox_of_its_lane(steps: Steps, lane: Lane, inbox: Topic) -> None:
    """Keyed by its story, under the CloudEvents headers of what it has become."""
    [output] = await worker(steps, lane).handle(filing(received()))
    assert (output.topic, output.key) == (inbox, STORY)
    assert isinstance(parse_event(output.value), StoryEnriched)
    assert dict(output.headers)["ce_type"] == b"story.enriched"


async def test_a_trace_goes_on(steps: Steps) -> None:
    """The filing's trace is that of what follows from it."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    told = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01".encode()}
    given = filing(received())
    [output] = await worker(steps).handle(
        Record(given.topic, given.partition, given.offset, given.key, given.value, told, given.timestamp_ms)
    )
    assert trace_id.encode() in dict(output.headers)["traceparent"]


@pytest.mark.parametrize("value", [None, b"", b"no json", b'{"type": "story.received"}'])
async def test_what_is_no_filing_is_unprocessable(steps: Steps, value: bytes | None) -> None:
    """It would be no filing at the next start either."""
    with pytest.raises(Undecodable):
        await worker(steps).handle(record(Topic.RECEIVED, value))


async def test_an_event_of_another_kind_is_unprocessable(steps: Steps) -> None:
    """A decision has no business among filings."""
    decision = deciding("d1", "kill").decision
    event = DeskDecided(event_id="d1", story_id=STORY, occurred_at=NOON, producer="gateway", data=decision)
    with pytest.raises(UnknownEventType):
        await worker(steps).handle(record(Topic.RECEIVED, encode_event(event)))


@pytest.mark.parametrize("story_id", ["", "urn:a\tb"])
async def test_a_story_id_that_cannot_be_a_key_is_unprocessable(steps: Steps, story_id: str) -> None:
    """Met while writing it would end the process, at every start."""
    with pytest.raises(Undecodable, match="story_id"):
        await worker(steps).handle(filing(received(story_id=story_id)))


async def test_the_event_loop_turns_while_a_story_is_described() -> None:
    """Heartbeats and confirmations do not wait for a slow story."""
    enough = threading.Event()

    def slow(event: StoryReceived) -> StoryEnriched:
        assert enough.wait(30)
        raise Undecodable("done")

    handling = asyncio.create_task(Worker(slow).handle(filing(received())))
    turns = iter(range(5))
    await wait_until(lambda: next(turns, None) is None, within=10, every=0.001)
    assert not handling.done()
    enough.set()
    with pytest.raises(Undecodable, match="done"):
        await handling


async def test_a_story_without_end_is_given_up_and_the_next_one_served(steps: Steps) -> None:
    """Left to the lane's own deadline it would end the process, and the next start would meet it again."""
    enough = threading.Event()
    describe = Describer(Lane.ROUTINE, steps, ReleasedTexts(), FixedClock(NOON)).describe

    def endless_once(event: StoryReceived) -> StoryEnriched:
        if event.event_id == "endless":
            enough.wait(30)
        return describe(event)

    lane = Worker(endless_once, give_up_s=1)
    try:
        with pytest.raises(TakesTooLong):
            await lane.handle(filing(received(event_id="endless")))
        assert await lane.handle(filing(received()))
    finally:
        enough.set()
        lane.close()
