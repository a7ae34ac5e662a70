"""How do endpoints do, and how far are their replays? What `endpoint.health` says of both, in memory."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import ValidationError

from shared.domain.health import HEALTH, EndpointHealth
from shared.domain.replays import REPLAY, Replay
from shared.domain.story import Lane
from shared.platform.logs import logger
from shared.platform.records import Record
from shared.platform.topics import parts_of


class Debt(NamedTuple):
    """What the log owes an endpoint: the oldest place of each lane that it may be owed, `position` from which on
    everything is to be looked at, and how many single releases before that.
    """

    begins: dict[Lane, int]
    position: dict[Lane, int]
    single: int

    def at_most(self, ends: Mapping[Lane, int]) -> int:
        """So many releases at most, where the lanes end there: what lies behind a position need not be its own."""
        return self.single + sum(max(ends.get(lane, 0) - begin, 0) for lane, begin in self.position.items())


class HealthView:
    """Fed by a Tail of `endpoint.health`; the newest record of a key wins, a tombstone deletes it.

    Constant memory for an endpoint: which single releases it is owed is left out, that is distribution's.
    """

    def __init__(self) -> None:
        self._health: dict[str, EndpointHealth] = {}
        self._debts: dict[str, Debt] = {}
        self._replays: dict[str, dict[str, Replay]] = {}

    def apply(self, record: Record) -> None:
        """Take one record; one that does not validate is logged, other parts of an endpoint are passed over."""
        endpoint_id, part, *rest = (*parts_of(record.key or ""), "")
        try:
            if part == HEALTH:
                self._take_health(endpoint_id, record.value)
            elif part == REPLAY:
                self._take_replay(endpoint_id, rest[0], record.value)
        except ValidationError as error:
            logger().error("health.unreadable", endpoint_id=endpoint_id, part=part, error=type(error).__name__)

    def health(self, endpoint_id: str) -> EndpointHealth:
        """How an endpoint does; of one without a record: well."""
        return self._health.get(endpoint_id) or EndpointHealth(endpoint_id=endpoint_id)

    def debt(self, endpoint_id: str) -> Debt | None:
        """What the log owes an endpoint that has something to catch up with."""
        return self._debts.get(endpoint_id)

    def replay(self, endpoint_id: str, replay_id: str) -> Replay | None:
        return self._replays.get(endpoint_id, {}).get(replay_id)

    def replays(self, endpoint_id: str) -> list[Replay]:
        """The replays of an endpoint, the newest first."""
        return sorted(self._replays.get(endpoint_id, {}).values(), key=lambda one: one.asked_at, reverse=True)

    def _take_health(self, endpoint_id: str, value: bytes | None) -> None:
        health = EndpointHealth(endpoint_id=endpoint_id) if value is None else EndpointHealth.model_validate_json(value)
        self._debts.pop(endpoint_id, None)
        if (owed := health.catch_up) is not None:
            self._debts[endpoint_id] = Debt(owed.begins, dict(owed.position), sum(map(len, owed.loose.values())))
            health = health.model_copy(update={"catch_up": owed.model_copy(update={"loose": {}})})
        if health.says_something:
            self._health[endpoint_id] = health
        else:
            self._health.pop(endpoint_id, None)

    def _take_replay(self, endpoint_id: str, replay_id: str, value: bytes | None) -> None:
        known = self._replays.get(endpoint_id, {})
        if value is None:
            known.pop(replay_id, None)
            if not known:
                self._replays.pop(endpoint_id, None)
            return
        replay, before = Replay.model_validate_json(value), known.get(replay_id)
        if before is not None and before.state == "cancelled" and replay.goes_on:
            # written by distribution before it had read of the cancel
            replay = replay.model_copy(update={"state": "cancelled"})
        self._replays.setdefault(endpoint_id, known)[replay_id] = replay
