"""What does a flight recorder keep of an event? Ids, numbers and words of the system; never a word of a story."""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.platform.records import Record


class _Glance(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ItemFacts(_Glance):
    """The part of a public Item that says which release it is."""

    kind: str | None = None
    lane: str | None = None


class Details(_Glance):
    """The part of any event's `data` that says what happened; texts are not read."""

    kind: str | None = None
    lane: str | None = None
    urgency: int | None = None
    source: str | None = None
    action: str | None = None
    person: str | None = None
    item: ItemFacts | None = None
    shard: int | None = None
    endpoint_ids: tuple[str, ...] | None = None
    endpoint_id: str | None = None
    delivery_id: str | None = None
    state: str | None = None
    n: int | None = None
    status: int | None = None
    outcome: str | None = None
    ms: dict[str, float] = {}
    due_at: AwareDatetime | None = None
    next_attempt_at: AwareDatetime | None = None


class Seen(_Glance):
    """The envelope of any event, and its details."""

    type: str
    event_id: str
    story_id: str
    version: int | None = None
    release_no: int | None = None
    occurred_at: AwareDatetime
    cause: str | None = None
    stage_times: dict[str, int] = {}
    data: Details = Details()

    @property
    def kind(self) -> str | None:
        return self.data.item.kind if self.data.item else self.data.kind

    @property
    def lane(self) -> str | None:
        return self.data.item.lane if self.data.item else self.data.lane


def glance(record: Record) -> Seen | None:
    """Return what a record says at a glance; None for what is no event (whoever acts on it parks it)."""
    try:
        return Seen.model_validate_json(record.value or b"")
    except ValidationError:
        return None


def details_of(seen: Seen) -> dict[str, Any]:
    """What a hop shows beside its ids: only what is there."""
    data = seen.data
    shown = data.model_dump(mode="json", exclude={"kind", "lane", "item", "endpoint_ids"}, exclude_none=True)
    if data.endpoint_ids is not None:
        shown["endpoints"] = len(data.endpoint_ids)
    return {name: value for name, value in shown.items() if value != {}}
