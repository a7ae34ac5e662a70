"""One delivery in hand: what is posted, to whom, on behalf of which record."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import orjson

from shared.domain.events import OwnerEvent, RowKind, Told
from shared.domain.item import Item
from shared.domain.story import NOTICES, Lane

Urgency = Literal["flash", "first", "retry", "replay"]

KINDS: Final[dict[OwnerEvent, RowKind]] = {
    "endpoint.failing": "failing",
    "endpoint.disabled": "disabled",
    "endpoint.expired": "expired",
}


def _nobody() -> None:
    """Who is told that a delivery stays undone, where its own record does so."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A release owed to an endpoint, or (`item` None) what its owner is `told` of another endpoint, or a test event.

    `body` is encoded once per block and shared. `done` is called exactly once, when the delivery is
    answered, given up, or durably written down elsewhere. `due_at`: it may not go before, and may have tiers to pass.
    `overtaken_by`: the newer release that went through the other lane first. `term`: see `Tenure`. `lapsed`: why it
    is given up unsent. `reread`: the catch-up reader took it from the log anew; `again`: on request, also if the
    endpoint has it; either has `undone` called instead of `done` when it is to be done still. `flying`: its turn has
    come; `landed`: its answer has come, and it holds no slot any more; `settled`: somebody else sees to it by now;
    `paced`: it was let go by its endpoint's rate.
    """

    delivery_id: str
    endpoint_id: str
    shard: int
    body: bytes
    done: Callable[[], None] = field(repr=False)
    item: Item | None = None
    attempts: int = 0
    first_failed_at: datetime | None = None
    retried: bool = False
    due_at: datetime | None = None
    cause: str | None = None
    stage_times: dict[str, int] = field(default_factory=dict)
    overtaken_by: int = 0
    term: int = 0
    lapsed: str = ""
    reread: bool = False
    again: bool = False
    undone: Callable[[], None] = field(default=_nobody, repr=False)
    settled: bool = False
    flying: bool = False
    landed: bool = False
    paced: bool = False
    told: Told | None = None
    story_id: str = field(init=False)
    """The story, or the delivery itself for what is no release: only one of a story is in flight at a time."""
    urgency: Urgency = field(init=False)
    """Which of an endpoint's lines it stands in; a flash stays a flash until the endpoint has it."""

    def __post_init__(self) -> None:
        self.story_id = self.item.story_id if self.item else self.delivery_id  # asked a dozen times for each
        self.urgency = self._line()

    @property
    def release_no(self) -> int:
        return self.item.release_no if self.item else 0

    @property
    def kind(self) -> RowKind:
        if self.item is not None:
            return self.item.kind
        return "test" if self.told is None else KINDS[self.told.event]

    @property
    def owed_since(self) -> datetime | None:
        """Since when; None for a test, which is tried once: its owner is looking."""
        if self.item is not None:
            return self.item.released_at
        return None if self.told is None else self.told.at

    @property
    def is_notice(self) -> bool:
        return self.item is not None and self.item.kind in NOTICES

    def _line(self) -> Urgency:
        if self.again:
            return "replay"
        if self.told is None and (self.item is None or self.item.lane is Lane.FLASH):
            return "flash"
        if self.reread:
            return "replay"
        return "retry" if self.retried else "first"


def body_of(item: Item) -> bytes:
    """Return the webhook's bytes for a release (`interfaces`, "A webhook")."""
    data = item.model_dump(mode="json")
    return orjson.dumps({"type": f"story.{item.kind}", "timestamp": data["released_at"], "data": data})
