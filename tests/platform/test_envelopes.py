"""Do events survive the way through a record, and is everything else refused as what it is?"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Undecodable, UnknownEventType, Unprocessable
from shared.domain.events import Decision, DeskDecided, EmbargoDue, Lift, StoryReceived
from shared.platform.envelopes import decode, encode, headers_for
from shared.platform.tracing import extract, span

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DUE = EmbargoDue(
    event_id="e-1", story_id="urn:x:1", version=2, occurred_at=NOON, producer="moderation", data=Lift(due_at=NOON)
)


@dataclass(frozen=True, slots=True)
class Value:
    """As much of a record as decoding looks at."""

    value: bytes | None


def altered(**fields: object) -> Value:
    """The event's record with some fields changed."""
    return Value(json.dumps(json.loads(encode(DUE)) | fields).encode())


def test_an_event_comes_back_equal() -> None:
    """What one service encodes another decodes to the same event."""
    assert decode(Value(encode(DUE)), kinds=EmbargoDue) == DUE


def test_the_headers_are_cloud_events_in_binary_mode() -> None:
    """Required attributes with the `ce_` prefix, the content type without, as the Kafka binding says."""
    assert dict(headers_for(DUE)) == {
        "ce_specversion": b"1.0",
        "ce_id": b"e-1",
        "ce_type": b"embargo.due",
        "ce_source": b"/slugline/moderation",
        "ce_time": b"2026-11-23T12:00:00+00:00",
        "content-type": b"application/json",
    }


def test_the_trace_travels_with_the_event() -> None:
    """Headers made within the handling of a record carry its trace on."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    incoming = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01".encode()}
    with span("lift", extract(incoming)):
        headers = dict(headers_for(DUE))
    assert trace_id in headers["traceparent"].decode()


@given(st.binary())
def test_bytes_that_are_no_event_are_unprocessable(garbage: bytes) -> None:
    """Whatever bytes a record holds, decoding either succeeds or says that it can be parked."""
    with pytest.raises(Unprocessable):
        decode(Value(garbage), kinds=EmbargoDue)


def test_a_tombstone_is_no_event() -> None:
    """A record without a value has nothing to decode."""
    with pytest.raises(Undecodable):
        decode(Value(None), kinds=EmbargoDue)


def test_a_known_type_that_does_not_validate_is_parked_not_guessed() -> None:
    """A missing or wrong field makes the record undecodable."""
    with pytest.raises(Undecodable, match="data"):
        decode(altered(data={"due_at": "soon"}), kinds=EmbargoDue)


def test_a_type_nobody_knows_is_refused_by_who_acts() -> None:
    """A service that acts must not skip what it does not understand."""
    with pytest.raises(UnknownEventType, match=r"story\.sung"):
        decode(altered(type="story.sung"), kinds=EmbargoDue)


def test_a_known_type_on_the_wrong_topic_is_refused_too() -> None:
    """`kinds` are the events this reader acts on, not all that exist."""
    with pytest.raises(UnknownEventType, match=r"embargo\.due"):
        decode(Value(encode(DUE)), kinds=(StoryReceived, DeskDecided))


def test_several_kinds_are_told_apart() -> None:
    """A reader of several kinds gets each as itself."""
    decided = DeskDecided(
        event_id="e-2",
        story_id="urn:x:1",
        occurred_at=NOON,
        producer="gateway",
        data=Decision(action="hold", decision_id="d-1", person="ed"),
    )
    kinds = (EmbargoDue, DeskDecided)
    assert [decode(Value(encode(one)), kinds=kinds) for one in (DUE, decided)] == [DUE, decided]


def test_unknown_fields_are_ignored() -> None:
    """Consumers outlive what producers add."""
    assert decode(altered(mood="calm"), kinds=EmbargoDue) == DUE
