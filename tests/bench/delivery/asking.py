"""What the gateway would write for the owner of endpoints who asks for something."""

from datetime import UTC, datetime, timedelta

from shared.domain.replays import Replay
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of
from tests.bench.delivery.stage import Stage
from tests.bench.delivery.stories import Group


async def replayed(stage: Stage, group: Group) -> None:
    """Ask for all that was ever owed to these endpoints, once more."""
    now = datetime.now(UTC)
    asked = [
        Replay(
            replay_id=f"rp-{endpoint_id}",
            endpoint_id=endpoint_id,
            subscriber="bench",
            since=now - timedelta(days=1),
            asked_by="bench",
            asked_at=now,
            updated_at=now,
        )
        for endpoint_id in group.endpoint_ids
    ]
    await stage.publisher.publish_all(
        [Outgoing(Topic.ENDPOINT_HEALTH, key_of(*one.key_parts), one.model_dump_json().encode()) for one in asked]
    )
