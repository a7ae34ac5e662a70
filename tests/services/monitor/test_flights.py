"""Does the flight recorder keep a bounded memory, and forget the quietest story first?"""

from datetime import UTC, datetime

from services.monitor.flights import FEW, FlightRecorder, in_order
from services.monitor.seen import glance
from shared.domain.events import Event, encode_event
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.services.monitor.wire import SECRET_WORDS, Story

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def note(recorder: FlightRecorder, topic: Topic, event: Event, offset: int = 0, at: int = 0) -> None:
    record = Record(topic, 0, offset, event.story_id, encode_event(event), {}, at)
    seen = glance(record)
    assert seen
    recorder.note(record, seen)


def test_the_story_that_moved_last_is_kept_longest() -> None:
    """Room for two: the one that has been quiet for longest goes."""
    recorder = FlightRecorder(2)
    first, second, third = (Story(f"urn:{number}", NOW) for number in range(3))
    for story in (first, second, first, third):
        note(recorder, Topic.RECEIVED, story.received())
    assert [recorder.of(story.story_id) is not None for story in (first, second, third)] == [True, False, True]


def test_a_story_to_thousands_of_endpoints_is_counted_and_not_listed() -> None:
    """The newest hops are listed; all are counted."""
    recorder = FlightRecorder(10)
    story = Story("urn:1", NOW)
    for offset in range(FEW + 50):
        note(recorder, Topic.ATTEMPTS, story.attempted("delivered"), offset)
    flight = recorder.of(story.story_id)
    assert flight
    assert (len(flight.hops), flight.counts["attempted delivered"]) == (FEW, FEW + 50)


def test_hops_are_told_by_time_whatever_order_they_were_read_in() -> None:
    """Topics are read side by side; a delivery may be read before the release."""
    recorder = FlightRecorder(10)
    story = Story("urn:1", NOW)
    note(recorder, Topic.ATTEMPTS, story.attempted("delivered"), at=300)
    note(recorder, Topic.RELEASED, story.released(), at=100)
    note(recorder, Topic.DUE, story.due("end_1"), at=100)
    flight = recorder.of(story.story_id)
    assert flight
    assert [hop.hop for hop in in_order(flight)] == ["released", "due", "attempted"]


def test_no_word_of_a_story_is_kept() -> None:
    """Not even in memory: what is not there cannot leak."""
    recorder = FlightRecorder(10)
    story = Story("urn:1", NOW)
    note(recorder, Topic.RELEASED, story.released())
    note(recorder, Topic.ATTEMPTS, story.attempted("delivered"))
    assert SECRET_WORDS not in repr(recorder.of(story.story_id))


def test_what_is_no_event_is_passed_over() -> None:
    """A record that cannot be read is for those who act on it; it stops no observer."""
    assert glance(Record(Topic.RELEASED, 0, 0, "k", b"not json", {}, 0)) is None
    assert glance(Record(Topic.RELEASED, 0, 0, "k", None, {}, 0)) is None
