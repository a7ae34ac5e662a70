"""How does the embargo clock reach the owner of a story, and learn the broker's time?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from services.moderation.agenda import Due
from shared.domain.events import EmbargoDue, Lift, derived_id
from shared.platform.clock import BrokerClock
from shared.platform.consuming import Membership
from shared.platform.envelopes import encode, headers_for
from shared.platform.health import Health
from shared.platform.metrics import BROKER_CLOCK_SKEW_SECONDS
from shared.platform.publishing import Outgoing, Publisher, PublishError
from shared.platform.topics import Topic, key_of

PRODUCER: Final = "moderation"
CHECK: Final = "clock"
LARGEST_SKEW_S: Final = 1.0
PROBE_WITHIN_S: Final = 5.0
PROBE_STORY: Final = "urn:slugline:clock"
NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


class KafkaLifts:
    """`services.moderation.ports.Lifts` on `desk.lifts`, whose append times are the broker's clock."""

    def __init__(
        self, publisher: Publisher, clock: BrokerClock, health: Health, membership: Membership | None = None
    ) -> None:
        """Without a `membership` the stories are ours for certain (one process, as in a test)."""
        self._publisher = publisher
        self._clock = clock
        self._health = health
        self._membership = membership

    async def send(self, due: Sequence[Due]) -> None:
        """Send nothing where the stories may be somebody else's by now: what is not done is asked for again."""
        if self._membership is not None and not self._membership.alive():
            return
        await self._publisher.publish_all([self._lift(one.story_id, one.version, one.due_at) for one in due])

    async def probe(self) -> None:
        """Send a lift whose time never comes, which the desk leaves out; tell how far the clocks are apart."""
        try:
            await self._publisher.publish_all([self._lift(PROBE_STORY, 1, NEVER)], deadline=PROBE_WITHIN_S)
        except PublishError:
            self._health.set(CHECK, False, "the broker does not tell its time")
            return
        BROKER_CLOCK_SKEW_SECONDS.set(self._clock.offset.total_seconds())
        skew = self._clock.skew_s
        self._health.set(CHECK, skew <= LARGEST_SKEW_S, f"this clock is {skew:.1f} s off the broker's")

    def _lift(self, story_id: str, version: int, due_at: datetime) -> Outgoing:
        event = EmbargoDue(
            event_id=derived_id(story_id, str(version), due_at.astimezone(UTC).isoformat()),
            story_id=story_id,
            version=version,
            occurred_at=self._clock.now(),
            producer=PRODUCER,
            data=Lift(due_at=due_at),
        )
        return Outgoing(Topic.LIFTS, key_of(story_id), encode(event), headers_for(event))
