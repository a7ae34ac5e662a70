"""What has been tried already: read back from the delivery log after a restart, and the rows written to it."""

from collections import OrderedDict
from datetime import datetime

from services.distribution.deliveries import Delivery
from services.distribution.matching import ShardOf
from services.distribution.outcome import Timing
from shared.domain.events import Attempted, DeliveryAttempted, derived_id, epoch_us

TERMINAL = frozenset({"delivered", "superseded", "killed", "expired", "filtered", "failed"})
GIVEN_UP = "expired"
"""The one end after which another try may be asked for: the schedule gave up, no rule said no."""
REMEMBERED = 200_000


class Tried:
    """Deliveries this owner has seen tried: their last row, and what is still owed per (endpoint, story).

    Holds the newest `remembered` deliveries; an older one can at worst be sent twice under one id.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._last: OrderedDict[str, tuple[int, str, int]] = OrderedDict()
        self._owed: dict[tuple[str, str], set[int]] = {}
        self._has: OrderedDict[tuple[str, str], int] = OrderedDict()

    def is_done(self, delivery_id: str, attempts: int) -> bool:
        """Tell whether a record that asks for try `attempts` + 1 is dealt with; after `GIVEN_UP` one more is not."""
        n, state, _ = self._last.get(delivery_id, (-1, "", 0))
        return n > attempts or (state in TERMINAL and state != GIVEN_UP)

    def owe(self, delivery: Delivery) -> None:
        """A delivery was read and is not answered yet."""
        if delivery.item:
            self._owed.setdefault((delivery.endpoint_id, delivery.story_id), set()).add(delivery.release_no)

    def first_owed(self, delivery: Delivery, since: int) -> int:
        """The oldest unanswered release from number `since` on of the delivery's story at its endpoint."""
        owed = self._owed.get((delivery.endpoint_id, delivery.story_id), ())
        return min((each for each in owed if each >= since), default=delivery.release_no)

    def has(self, delivery: Delivery) -> int:
        """The newest release of the story that the endpoint is known to have; 0 for none."""
        return self._has.get((delivery.endpoint_id, delivery.story_id), 0)

    def take(self, event: DeliveryAttempted, shard: int) -> None:
        """Remember one row; rows of a delivery come in order."""
        row = event.data
        ended = row.state in TERMINAL
        self._last[row.delivery_id] = (row.n, row.state, shard)
        self._last.move_to_end(row.delivery_id)
        if len(self._last) > self._remembered:
            self._last.popitem(last=False)
        pair, release_no = (row.endpoint_id, event.story_id), event.release_no
        if release_no is None:
            return
        if not ended:
            self._owed.setdefault(pair, set()).add(release_no)
            return
        owed = self._owed.get(pair, set())
        owed.discard(release_no)
        if not owed:
            self._owed.pop(pair, None)
        if row.state == "delivered":
            self._has[pair] = max(self._has.get(pair, 0), release_no)
            self._has.move_to_end(pair)
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Keep what an older release that is still owed may be compared with; of the rest the newest."""
        for _ in range(len(self._has) - self._remembered):
            oldest = next(iter(self._has))
            if oldest not in self._owed:
                del self._has[oldest]
            else:
                self._has.move_to_end(oldest)

    def forget(self, shards: frozenset[int], shard_of: ShardOf) -> None:
        """Drop what belongs to shards that another process owns now."""
        for delivery_id in [known for known, (_, _, shard) in self._last.items() if shard in shards]:
            del self._last[delivery_id]
        self._owed = {pair: owed for pair, owed in self._owed.items() if shard_of(pair[0]) not in shards}
        for pair in [pair for pair in self._has if shard_of(pair[0]) in shards]:
            del self._has[pair]


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
) -> DeliveryAttempted:
    """Return the delivery log's row for one finished try, or for an end without one."""
    return DeliveryAttempted(
        event_id=derived_id("attempt", delivery.delivery_id, str(n), state),
        story_id=delivery.item.story_id if delivery.item else "",
        version=delivery.item.version if delivery.item else None,
        release_no=delivery.item.release_no if delivery.item else None,
        occurred_at=now,
        producer="distribution",
        cause=delivery.cause,
        stage_times={**delivery.stage_times, "attempted": epoch_us(now)},
        data=Attempted.model_validate(
            {
                "delivery_id": delivery.delivery_id,
                "endpoint_id": delivery.endpoint_id,
                "subscriber": subscriber,
                "kind": delivery.kind,
                "state": state,
                "n": n,
                "status": status,
                "outcome": outcome,
                "ms": _split(timing),
                "answer": answer,
                "next_attempt_at": next_attempt_at,
            }
        ),
    )


def _split(timing: Timing | None) -> dict[str, float]:
    if timing is None:
        return {}
    parts = {name: getattr(timing, name) for name in ("dns", "connect", "tls", "first_byte", "total")}
    return {name: round(value, 3) for name, value in parts.items() if value is not None}
