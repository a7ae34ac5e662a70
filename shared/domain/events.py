"""What travels on the topics: one envelope, and one `data` shape for each type.

Unknown fields are ignored, so that a consumer outlives additions; a known type that does not validate is
`Undecodable`. Inside v1 shapes only grow.
"""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.domain.errors import Undecodable, UnknownEventType
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane

NAMESPACE: Final = uuid.UUID("6f3d6e0e-8f5b-5a53-9a3e-6d2f0a7c51b4")
"""Namespace of every derived `event_id` (UUIDv5)."""
_NAMESPACE_BYTES: Final = NAMESPACE.bytes

MAIN_TENANT: Final = "main"

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Shape(BaseModel):
    """Base of everything that travels: frozen, tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Correction(Shape):
    """What a correction names: the error in words, and the JSON pointers it may change."""

    note: str
    fields: tuple[str, ...]


class Filed(Shape):
    """A story as ingest took it in. `story` is ninjs 3.1 (for a correction: the changed fields only)."""

    kind: Kind
    lane: Lane
    urgency: int = Field(ge=1, le=8)
    source: str
    trust: Literal["low", "normal", "high"] = "normal"
    assigned: bool
    content_hash: str
    story: dict[str, Any]
    section: str | None = None
    embargo_until: AwareDatetime | None = None
    correction: Correction | None = None
    if_match: int | None = None
    filed_by: str
    language: str | None = None
    published_at: AwareDatetime | None = None
    labels: tuple[str, ...] = ()


class Span(Shape):
    """Where in the plain body (code points, end exclusive) something was found; never the words themselves."""

    kind: str
    start: int
    end: int


class NearDuplicate(Shape):
    """An earlier story with much the same text: `score` is the shared part, 0–1."""

    story_id: str
    score: float
    exact: bool = False


class Enriched(Filed):
    """A filing with what enrichment found; `story` is sanitised and carries its additions."""

    facts: Facts
    contacts: tuple[Span, ...] = ()
    near_duplicate: NearDuplicate | None = None
    text_hash: str = ""


Action = Literal["release", "reject", "hold", "withhold", "urgency", "embargo", "kill", "confirm", "cancel"]


class Decision(Shape):
    """What a person at the desk decided. `decision_id` of a confirm or cancel names the decision meant.

    `by_source`: a source takes its own story back; that counts also before its filing has come.
    """

    action: Action
    decision_id: str
    person: str
    version: int | None = None
    note: str | None = None
    reason: str | None = None
    urgency: int | None = Field(default=None, ge=1, le=8)
    embargo_until: AwareDatetime | None = None
    break_glass: bool = False
    replacement: str | None = None
    by_source: bool = False


class Lift(Shape):
    """An embargo that is due: version and its T0."""

    due_at: AwareDatetime


class Released(Shape):
    """One release on the wire. `facts` judge this release; `reach` (kinds without text, corrections) all so far."""

    item: Item
    facts: Facts
    reach: Facts | None = None


class FanOutBlock(Shape):
    """One release owed to some endpoints of one shard.

    `item` is the public Item; the bytes posted are made from it once per block. Blocks of a kill or withhold
    go to every shard, also without endpoints: they move its gate before anybody's retry can pass it.
    `overtaken_by`: the newer release that was matched before this one (0: none), and is owed in its place.
    """

    item: Item
    endpoint_ids: tuple[str, ...]
    shard: int
    overtaken_by: int = 0


class Retry(Shape):
    """One delivery that waits for its next try; rides a tier, or a chain of them, until `due_at`."""

    item: Item
    endpoint_id: str
    shard: int
    delivery_id: str
    attempts: int
    first_failed_at: AwareDatetime
    due_at: AwareDatetime


class Test(Shape):
    """A test event for one endpoint; it takes the same way as a delivery."""

    endpoint_id: str
    shard: int
    test_id: str


OwnerEvent = Literal["endpoint.failing", "endpoint.disabled", "endpoint.expired"]


class Told(Shape):
    """Something of one endpoint that is owed to another one of its owner's; on its way until it is answered.

    `event` is the webhook's type and `at` its timestamp; `data` is the webhook's, and no Item. `delivery_id`,
    `attempts`, `first_failed_at` and `due_at` are as in a `Retry`; before the first try there is no time.
    """

    endpoint_id: str
    shard: int
    delivery_id: str
    event: OwnerEvent
    at: AwareDatetime
    data: dict[str, Any]
    attempts: int = 0
    first_failed_at: AwareDatetime | None = None
    due_at: AwareDatetime | None = None


RowKind = Kind | Literal["challenge", "test", "failing", "disabled", "expired"]
"""What a row of the delivery log is of: a release by its kind, else the webhook's type without `endpoint.`."""


class Attempted(Shape):
    """One finished try (or the end without one): the row of the delivery log."""

    delivery_id: str
    endpoint_id: str
    subscriber: str
    kind: RowKind
    state: Literal["delivered", "retrying", "superseded", "killed", "expired", "filtered", "failed"]
    n: int
    status: int | None = None
    outcome: str
    ms: dict[str, float] = {}
    answer: str = ""
    next_attempt_at: AwareDatetime | None = None


class Envelope(Shape):
    """Fields every event carries; `stage_times` are epoch µs (the flight record travels with the story)."""

    event_id: str
    tenant: str = MAIN_TENANT
    story_id: str
    version: int | None = None
    release_no: int | None = None
    occurred_at: AwareDatetime
    producer: str
    cause: str | None = None
    stage_times: dict[str, int] = {}


class StoryReceived(Envelope):
    type: Literal["story.received"] = "story.received"
    data: Filed


class StoryEnriched(Envelope):
    type: Literal["story.enriched"] = "story.enriched"
    data: Enriched


class DeskDecided(Envelope):
    type: Literal["desk.decided"] = "desk.decided"
    data: Decision


class EmbargoDue(Envelope):
    type: Literal["embargo.due"] = "embargo.due"
    data: Lift


class StoryReleased(Envelope):
    type: Literal["story.released"] = "story.released"
    data: Released


class DeliveryDue(Envelope):
    type: Literal["delivery.due"] = "delivery.due"
    data: FanOutBlock


class DeliveryRetry(Envelope):
    type: Literal["delivery.retry"] = "delivery.retry"
    data: Retry


class EndpointTest(Envelope):
    type: Literal["endpoint.test"] = "endpoint.test"
    data: Test


class OwnerTold(Envelope):
    """Rides `delivery.due` first, then the tiers."""

    type: Literal["owner.told"] = "owner.told"
    data: Told


class DeliveryAttempted(Envelope):
    type: Literal["delivery.attempted"] = "delivery.attempted"
    data: Attempted


Event = (
    StoryReceived
    | StoryEnriched
    | DeskDecided
    | EmbargoDue
    | StoryReleased
    | DeliveryDue
    | DeliveryRetry
    | EndpointTest
    | OwnerTold
    | DeliveryAttempted
)

_EVENTS: Final[TypeAdapter[Event]] = TypeAdapter(Annotated[Event, Field(discriminator="type")])


def parse_event(value: bytes | None) -> Event:
    """Return the event in a record's value.

    Raises `UnknownEventType` for a type outside this module, `Undecodable` for everything else that is wrong.
    """
    if value is None:
        raise Undecodable("the record has no value")
    try:
        return _EVENTS.validate_json(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "union_tag_invalid":
            raise UnknownEventType(f"unknown event type {first['ctx']['tag']!r}") from None
        where = ".".join(str(part) for part in first["loc"])
        raise Undecodable(f"{where or 'value'}: {first['msg']}") from None


def encode_event(event: Event) -> bytes:
    """Return the bytes that `parse_event` reads back to an equal event."""
    return event.model_dump_json(exclude_defaults=False).encode()


def derived_id(*parts: str) -> str:
    """Return the UUIDv5 of the parts, the same for the same parts for ever (design 4.3)."""
    digest = hashlib.sha1(_NAMESPACE_BYTES + "\t".join(parts).encode(), usedforsecurity=False).hexdigest()
    # by hand, at a fifth of the cost of uuid.uuid5: version 5 and the variant of RFC 9562, section 5.5
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def epoch_us(at: datetime) -> int:
    """Return microseconds since 1970 of an aware datetime."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_epoch_us(microseconds: int) -> datetime:
    """Return the aware UTC time of microseconds since 1970, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)
