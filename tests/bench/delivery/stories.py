"""What the bench puts on the wire: released stories of one size, and the endpoints that are owed them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.distribution.deliveries import body_of
from shared.domain.delivery import delivery_id
from shared.domain.events import StoryReleased, epoch_us
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Endpoint, EndpointSecret, EndpointState, Filter, Subscription
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of
from tests.bench.releases import a_release

BODY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Group:
    """Endpoints that want the same section; `answers`: whether anything is owed that can arrive."""

    section: str
    endpoint_ids: tuple[str, ...]
    answers: bool = True


@dataclass(slots=True)
class Ledger:
    """What was released since the last look, and so which deliveries are owed."""

    released_us: dict[str, int] = field(default_factory=dict)
    groups: dict[str, tuple[Group, ...]] = field(default_factory=dict)

    def owed(self) -> Iterator[tuple[str, Group, int]]:
        """Each delivery that must arrive: its webhook-id, whose it is, and when its story was released (epoch µs)."""
        for story_id, groups in self.groups.items():
            at = self.released_us[story_id]
            for group in groups:
                if group.answers:
                    for endpoint_id in group.endpoint_ids:
                        yield delivery_id(story_id, 1, endpoint_id), group, at


def story(number: str, groups: Sequence[Group], lane: Lane, now: datetime) -> StoryReleased:
    """A first release for these groups whose webhook has a body of `BODY_BYTES`."""
    story_id = f"urn:slugline:bench:{number}"
    text = "x" * (BODY_BYTES - len(body_of(_item(story_id, lane, now, ""))))
    facts = Facts(sections=tuple(group.section for group in groups), sources=("bench",), lanes=(lane,))
    return a_release(_item(story_id, lane, now, text), facts)


def _item(story_id: str, lane: Lane, now: datetime, text: str) -> Item:
    return Item(
        seq=1_000_000,  # as wide as it will be
        lane=lane,
        kind=Kind.PUBLISH,
        story_id=story_id,
        version=1,
        release_no=1,
        released_at=now,
        stage_times={"released": epoch_us(now)},
        story={
            "uri": story_id,
            "type": "text",
            "version": "1",
            "pubStatus": "usable",
            "headlines": [{"value": "Council votes on bridge"}],
            "bodies": [{"contentType": "text/plain", "value": text}],
        },
    )


def registered(endpoint_id: str, subscriber: str, url: str, section: str, sealed: str) -> Iterator[Outgoing]:
    """The records the gateway would write for an active endpoint that wants one section."""
    at = datetime.now(UTC)
    endpoint = Endpoint(
        endpoint_id=endpoint_id, subscriber=subscriber, url=url, state=EndpointState.ACTIVE, created_at=at
    )
    subscription = Subscription(
        subscription_id=f"of-{endpoint_id}",
        subscriber=subscriber,
        name="bench",
        endpoint_id=endpoint_id,
        filter=Filter(sections=(section,)),
        created_at=at,
    )
    parts = [
        (key_of(endpoint_id, "secret"), EndpointSecret(endpoint_id=endpoint_id, sealed=(sealed,))),
        (key_of(endpoint_id, "endpoint"), endpoint),
        (key_of(subscription.subscription_id, "subscription"), subscription),
    ]
    for key, value in parts:
        yield Outgoing(Topic.SUBSCRIPTION_STATE, key, value.model_dump_json().encode())
