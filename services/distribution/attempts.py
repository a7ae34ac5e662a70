"""What has been tried already: read back from the delivery log after a restart, and the rows written to it."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from services.distribution.deliveries import Delivery
from services.distribution.matching import ShardOf
from services.distribution.outcome import Timing
from shared.domain.events import MAIN_TENANT, DeliveryAttempted, derived_id, epoch_us

TERMINAL = frozenset({"delivered", "superseded", "killed", "expired", "filtered", "failed"})
GIVEN_UP = "expired"
"""The one end after which another try may be asked for: the schedule gave up, no rule said no."""
REMEMBERED = 200_000
PRODUCER: Final = "distribution"
ATTEMPTED_TYPE: Final = "delivery.attempted"


class Tried:
    """Deliveries this owner has seen tried: their last row, and the newest release each endpoint has of a story.

    Holds what was read back at the last hand-over, and the newest `remembered` on top of it: whatever may be asked
    for again lies in the records that were uncommitted then, or is young.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = self._room = remembered
        self._last: OrderedDict[str, tuple[int, str, int]] = OrderedDict()
        self._has: dict[bool, OrderedDict[tuple[str, str], int]] = {True: OrderedDict(), False: OrderedDict()}

    def is_done(self, delivery_id: str, attempts: int) -> bool:
        """Tell whether a record that asks for try `attempts` + 1 is dealt with; after `GIVEN_UP` one more is not."""
        n, state, _ = self._last.get(delivery_id, (-1, "", 0))
        return n > attempts or (state in TERMINAL and state != GIVEN_UP)

    def how_it_ended(self, delivery_id: str) -> str | None:
        """Return the last row's state if it is an end."""
        _, state, _ = self._last.get(delivery_id, (-1, "", 0))
        return state if state in TERMINAL else None

    def tries(self, delivery_id: str) -> int:
        """How often it was tried, as far as is known."""
        n, _, _ = self._last.get(delivery_id, (0, "", 0))
        return n

    def is_under_way(self, delivery_id: str) -> bool:
        """Whether its last row says that it will be tried again."""
        _, state, _ = self._last.get(delivery_id, (-1, "", 0))
        return bool(state) and state not in TERMINAL

    def has(self, delivery: Delivery) -> int:
        """The newest release of the story that the endpoint is known to have; 0 for none."""
        pair = (delivery.endpoint_id, delivery.story_id)
        return max(self._has[True].get(pair, 0), self._has[False].get(pair, 0))

    def read_back(self, event: DeliveryAttempted, shard: int) -> None:
        """Remember one row of the log, and make room for it."""
        self._room += 1
        row = event.data
        self._remember(row.delivery_id, row.n, row.state, shard)
        if row.state == "delivered" and event.release_no is not None:
            self._know((row.endpoint_id, event.story_id), event.release_no, may_overtake=True)

    def take(self, row: "Row", shard: int, *, may_overtake: bool = True) -> None:
        """Remember one row; rows of a delivery come in order.

        `may_overtake`: it rode flash, as far as we know. A backlog of routine releases behind it, and all that is
        sent of them meanwhile, must not make us forget what the endpoint has.
        """
        delivery = row.delivery
        self._remember(delivery.delivery_id, row.n, row.state, shard)
        if row.state == "delivered" and delivery.item is not None:
            pair = (delivery.endpoint_id, delivery.story_id)
            self._know(pair, delivery.release_no, may_overtake=may_overtake)

    def _remember(self, delivery_id: str, n: int, state: str, shard: int) -> None:
        self._last[delivery_id] = (n, state, shard)
        self._last.move_to_end(delivery_id)
        if len(self._last) > self._room:
            self._last.popitem(last=False)

    def _know(self, pair: tuple[str, str], release_no: int, *, may_overtake: bool) -> None:
        known = self._has[may_overtake]
        known[pair] = max(known.get(pair, 0), release_no)
        known.move_to_end(pair)
        if len(known) > self._room:
            known.popitem(last=False)

    def forget(self, shards: frozenset[int], shard_of: ShardOf) -> None:
        """Drop what belongs to shards that another process owns now."""
        for delivery_id in [known for known, (_, _, shard) in self._last.items() if shard in shards]:
            del self._last[delivery_id]
        for known in self._has.values():
            for pair in [pair for pair in known if shard_of(pair[0]) in shards]:
                del known[pair]
        self._room = self._remembered + len(self._last)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the delivery log as it is written; `DeliveryAttempted` is what its readers make of it.

    Plain data, encoded by hand: validating what we have just made ourselves was a third of a delivery's cost.
    """

    delivery: Delivery
    subscriber: str
    state: str
    outcome: str
    at: datetime
    n: int
    status: int | None = None
    ms: Mapping[str, float] = field(default_factory=dict)
    answer: str = ""
    next_attempt_at: datetime | None = None

    @property
    def event_id(self) -> str:
        """The same for the same try and end."""
        return derived_id("attempt", self.delivery.delivery_id, str(self.n), self.state)

    def encoded(self, event_id: str) -> bytes:
        """The value of its record: what `encode_event` would make of the `DeliveryAttempted`."""
        delivery, item = self.delivery, self.delivery.item
        return orjson.dumps(
            {
                "event_id": event_id,
                "tenant": MAIN_TENANT,
                "story_id": item.story_id if item else "",
                "version": item.version if item else None,
                "release_no": item.release_no if item else None,
                "occurred_at": self.at,
                "producer": PRODUCER,
                "cause": delivery.cause,
                "stage_times": {**delivery.stage_times, "attempted": epoch_us(self.at)},
                "type": ATTEMPTED_TYPE,
                "data": {
                    "delivery_id": delivery.delivery_id,
                    "endpoint_id": delivery.endpoint_id,
                    "subscriber": self.subscriber,
                    "kind": delivery.kind,
                    "state": self.state,
                    "n": self.n,
                    "status": self.status,
                    "outcome": self.outcome,
                    "ms": self.ms,
                    "answer": self.answer,
                    "next_attempt_at": self.next_attempt_at,
                },
            },
            option=orjson.OPT_UTC_Z,
        )


def row_of(
    delivery: Delivery,
    subscriber: str,
    state: str,
    outcome: str,
    now: datetime,
    *,
    n: int,
    status: int | None = None,
    timing: Timing | None = None,
    answer: str = "",
    next_attempt_at: datetime | None = None,
) -> Row:
    """Return the delivery log's row for one finished try, or for an end without one."""
    return Row(delivery, subscriber, state, outcome, now, n, status, _split(timing), answer, next_attempt_at)


def _split(timing: Timing | None) -> dict[str, float]:
    if timing is None:
        return {}
    parts = (
        ("dns", timing.dns),
        ("connect", timing.connect),
        ("tls", timing.tls),
        ("first_byte", timing.first_byte),
        ("total", timing.total),
    )
    return {name: round(value, 3) for name, value in parts if value is not None}
