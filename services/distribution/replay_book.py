"""Which replays were asked for, and which of them were cancelled? As `endpoint.health` has them."""

from pydantic import ValidationError

from shared.domain.replays import REPLAY, Replay
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.topics import parts_of


class ReplayBook:
    """Fed by a Tail; the gateway writes requests and cancellations, distribution all the rest."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], Replay] = {}

    def apply(self, record: Record) -> None:
        """Take one record; other parts of an endpoint are not ours. What has ended once stays so.

        The record of an owner that had not heard of its cancellation yet may lie behind that.
        """
        endpoint_id, *rest = parts_of(record.key or "")
        if len(rest) != 2 or rest[0] != REPLAY:
            return
        known = (endpoint_id, rest[1])
        if record.value is None:
            self._read.pop(known, None)
            return
        try:
            read = Replay.model_validate_json(record.value)
        except ValidationError:
            logger().error("replay.unreadable", partition=record.partition, offset=record.offset)
            return
        self.keep(read)

    def keep(self, replay: Replay) -> None:
        """Remember what was read, or is about to be written."""
        known = (replay.endpoint_id, replay.replay_id)
        before = self._read.get(known)
        if before is None or before.goes_on or not replay.goes_on:
            self._read[known] = replay

    def all(self) -> list[Replay]:
        return list(self._read.values())

    def of(self, endpoint_id: str, replay_id: str) -> Replay | None:
        return self._read.get((endpoint_id, replay_id))
