"""How does an event become a record and back? JSON value, CloudEvents headers in binary mode."""

from datetime import datetime
from typing import Protocol, TypeVar, overload

from shared.domain.errors import UnknownEventType
from shared.domain.events import Envelope, Event, encode_event, parse_event
from shared.platform.tracing import inject

CONTENT_TYPE = b"application/json"
SPEC_VERSION = b"1.0"

E = TypeVar("E", bound=Envelope)


class HasValue(Protocol):
    """A Kafka record, as far as decoding needs it."""

    @property
    def value(self) -> bytes | None: ...


def headers_for(event: Event) -> list[tuple[str, bytes]]:
    """Record headers of an event: CloudEvents 1.0, Kafka protocol binding 3.2, and the current trace context."""
    headers = cloud_headers(event.event_id, event.type, event.producer, event.occurred_at)
    inject(headers)
    return headers


def cloud_headers(event_id: str, event_type: str, producer: str, occurred_at: datetime) -> list[tuple[str, bytes]]:
    """The same without a trace context, for who encodes an event by hand."""
    return [
        ("ce_specversion", SPEC_VERSION),
        ("ce_id", event_id.encode()),
        ("ce_type", event_type.encode()),
        ("ce_source", f"/slugline/{producer}".encode()),
        ("ce_time", occurred_at.isoformat().encode()),
        ("content-type", CONTENT_TYPE),
    ]


def encode(event: Event) -> bytes:
    """The record value of an event; `decode` reads it back to an equal one."""
    return encode_event(event)


@overload
def decode(record: HasValue, *, kinds: type[E]) -> E: ...
@overload
def decode(record: HasValue, *, kinds: tuple[type[Event], ...]) -> Event: ...
def decode(record: HasValue, *, kinds: type[E] | tuple[type[Event], ...]) -> E | Event:
    """The event in a record, which must be one of `kinds`, the events that the reader acts on.

    Raises Unprocessable, the sign to park the record: `Undecodable` for a value that is no JSON or does not
    validate, `UnknownEventType` for a type outside `kinds`.
    """
    event = parse_event(record.value)
    if not isinstance(event, kinds):
        raise UnknownEventType(f"event type {event.type!r} has no business on this topic")
    return event
