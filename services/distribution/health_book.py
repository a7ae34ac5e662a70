"""What does `endpoint.health` say of every endpoint: how it does, and from where on it is owed the log?"""

from pydantic import ValidationError

from services.distribution.matching import ShardOf
from shared.domain.health import HEALTH, EndpointHealth
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.topics import parts_of


class HealthBook:
    """Fed by a Tail. For its own shards an owner goes by what it has written itself: the Tail is a moment behind."""

    def __init__(self) -> None:
        self._read: dict[str, EndpointHealth] = {}

    def apply(self, record: Record) -> None:
        """Take one record; other parts of an endpoint are not ours."""
        endpoint_id, *rest = parts_of(record.key or "")
        if rest != [HEALTH]:
            return
        if record.value is None:
            self._read.pop(endpoint_id, None)
            return
        try:
            self._read[endpoint_id] = EndpointHealth.model_validate_json(record.value)
        except ValidationError:
            logger().error("health.unreadable", partition=record.partition, offset=record.offset)

    def of_shards(self, shards: frozenset[int], shard_of: ShardOf) -> list[EndpointHealth]:
        """What an owner of these shards begins with."""
        return [read for endpoint_id, read in self._read.items() if shard_of(endpoint_id) in shards]
