"""What does a subscriber want? Subscriptions: made, changed, deleted."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.own_writes import OwnWrites
from services.gateway.ports import ReleasedEnds
from services.gateway.refusals import NotFound, unfit
from services.gateway.registry import Part, Registry
from shared.domain.state import Principal
from shared.domain.story import Lane
from shared.domain.subscription import Filter, Ordering, Subscription
from shared.platform.clock import Clock
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of

CursorOf = Callable[[Mapping[Lane, int]], str]
"""Makes the stream's opaque cursor of a position per lane."""


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Writes subscriptions. One counts from the ends of both released lanes at its making."""

    registry: Registry
    writes: OwnWrites
    ends: ReleasedEnds
    clock: Clock
    cursor_of: CursorOf

    async def subscribe(
        self, by: Principal, subscriber: str, name: str, endpoint_id: str | None, ordering: Ordering, wanted: Filter
    ) -> Part[Subscription]:
        """Make a subscription. Raises Unfit for an endpoint that is not the caller's, NotReady, PublishError."""
        self._check_endpoint(by, endpoint_id)
        subscription = Subscription(
            subscription_id=f"sub_{secrets.token_hex(12)}",
            subscriber=subscriber,
            name=name,
            endpoint_id=endpoint_id,
            ordering=ordering,
            filter=wanted,
            created_at=self.clock.now(),
            start=dict(await self.ends.ends()),
        )
        return await self._write(by, subscription)

    async def change(
        self, by: Principal, subscription_id: str, if_match: str | None, fields: dict[str, Any]
    ) -> Part[Subscription]:
        """Change what is given. Raises NotFound, Changed, Unfit, PublishError."""
        part = self.registry.subscription(by, subscription_id)
        part.require(if_match)
        self._check_endpoint(by, fields.get("endpoint_id"))
        return await self._write(by, part.value.model_copy(update=fields))

    async def delete(self, by: Principal, subscription_id: str, if_match: str | None) -> None:
        """Raises NotFound, Changed, PublishError."""
        self.registry.subscription(by, subscription_id).require(if_match)
        await self.writes.write(Outgoing(Topic.SUBSCRIPTION_STATE, key_of(subscription_id, "subscription"), None))

    def _check_endpoint(self, by: Principal, endpoint_id: str | None) -> None:
        if endpoint_id is None:
            return
        try:
            self.registry.endpoint(by, endpoint_id)
        except NotFound:
            raise unfit("/endpoint_id", "there is no such endpoint") from None

    async def _write(self, by: Principal, subscription: Subscription) -> Part[Subscription]:
        key = key_of(subscription.subscription_id, "subscription")
        value = subscription.model_dump_json(by_alias=True).encode()
        await self.writes.write(Outgoing(Topic.SUBSCRIPTION_STATE, key, value))
        return self.registry.subscription(by, subscription.subscription_id)
