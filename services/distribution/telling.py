"""What is the owner of an endpoint to be told of, and has it been? At its other endpoints, and in the audit.

That an endpoint fails for a quarter, a half, three quarters of 72 hours; that it is disabled; that it has lost
something for good. What was told stands in its health, written once all of it is durably owed, so that a crash in
between tells it once more under the same ids.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from services.distribution.condition import Condition
from services.distribution.conditions import Conditions
from services.distribution.disabling import DISABLED_AFTER
from services.distribution.ports import Clock, Publishing
from services.distribution.told import News, event_of
from shared.domain.events import encode_event
from shared.domain.health import Lost
from shared.domain.item import rfc3339
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.audit import Audit
from shared.platform.envelopes import headers_for
from shared.platform.logs import logger
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic

SYSTEM: Final = "system"
"""Who did it, in the audit."""

MOST_RECEIVERS: Final = 50
"""Of a subscriber with more endpoints the oldest are told: a thousand that fail at once are no million webhooks."""

LOSSES_EVERY: Final = timedelta(days=1)
"""A paused endpoint loses something every ten minutes after three days; its health has all of it at any time."""

EVERY_S: Final = 1.0


@dataclass(slots=True)
class Telling:
    """Looks at all endpoints of ours once a second; endpoints that do well cost nothing."""

    conditions: Conditions
    publisher: Publishing
    audit: Audit
    clock: Clock
    _disabled: set[str] = field(default_factory=set)
    """Of all shards: who gains one finds here whom the owner before has not told of."""

    def noticed(self, endpoint: Endpoint) -> None:
        """An endpoint's record was read."""
        if endpoint.state is EndpointState.DISABLED and endpoint.disabled is not None:
            self._disabled.add(endpoint.endpoint_id)
        else:
            self._disabled.discard(endpoint.endpoint_id)

    async def run(self, stop: asyncio.Event) -> None:
        """Job: look until `stop`. An error of ours ends the job."""
        while not stop.is_set():
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await stop.wait()

    async def look(self) -> None:
        """Tell what there is to be told now. Raises PublishError; may be repeated."""
        for condition in self.conditions.all():
            await self._that_it_fails(condition)
            await self._that_it_lost(condition)
        for endpoint_id in sorted(self._disabled):
            await self._that_it_is_disabled(endpoint_id)

    async def _that_it_fails(self, condition: Condition) -> None:
        """At its end it is disabled, and that is told."""
        breaker, percent = condition.breaker, condition.percent
        since = breaker.failing_since
        if since is None or not condition.told < percent < 100:
            return
        said = {"since": rfc3339(since), "percent": percent, "disables_at": rfc3339(since + DISABLED_AFTER)}
        news = News(condition.endpoint_id, "endpoint.failing", f"{rfc3339(since)} {percent}", said)
        if await self._tell(condition, news):
            if condition.breaker is breaker and breaker.failing_since == since:  # else it recovered meanwhile
                condition.told = percent
            await self.conditions.write(condition)

    async def _that_it_lost(self, condition: Condition) -> None:
        told = condition.lost_told
        new = [each for each in condition.lost if told is None or each.at > told]
        if not new or (told is not None and self.clock.now() - told < LOSSES_EVERY):
            return
        since, until = min(each.at for each in new), max(each.at for each in new)
        over = self.conditions.is_over_for(condition.endpoint_id)
        said = {
            "since": rfc3339(since),
            "reason": "disabled" if over else "too_old",
            "ranges": [_range(each) for each in new],
        }
        before = "first" if told is None else rfc3339(told)
        if await self._tell(condition, News(condition.endpoint_id, "endpoint.expired", before, said)):
            condition.lost_told = until
            await self.conditions.write(condition)

    async def _that_it_is_disabled(self, endpoint_id: str) -> None:
        """As its record says, whoever wrote that: a crash between the two is made good by a successor."""
        endpoint = self.conditions.registry.endpoints.get(endpoint_id)
        if endpoint is None or endpoint.disabled is None:
            self._disabled.discard(endpoint_id)
            return
        condition = self.conditions.own(endpoint_id)
        why = endpoint.disabled
        if condition is None or condition.disabled_told == why.since:
            return
        said = {"since": rfc3339(why.since), "reason": why.reason, "disabled_at": rfc3339(why.at)}
        if not await self._tell(condition, News(endpoint_id, "endpoint.disabled", rfc3339(why.since), said)):
            return
        condition = self.conditions.own(endpoint_id)  # not yet on record, the one before may be forgotten by now
        if condition is not None:
            condition.disabled_told = why.since
            await self.conditions.write(condition)

    async def _tell(self, condition: Condition, news: News) -> bool:
        """Return once all of it is durably owed; False if it is not ours to tell, or nobody is there any more."""
        endpoint = self.conditions.registry.endpoints.get(news.endpoint_id)
        if endpoint is None or not await self.conditions.tenure.sure(condition.shard, condition.term):
            return False
        receivers = self._others(endpoint)
        await self.publisher.publish_all([self._owed(news, each) for each in receivers])
        await self.audit.enter(SYSTEM, news.event, news.endpoint_id, told=len(receivers), **news.said)
        logger().warning("owner.told", endpoint_id=news.endpoint_id, of=news.event, receivers=len(receivers))
        return True

    def _others(self, endpoint: Endpoint) -> list[str]:
        """Where else its owner can be reached."""
        others = self.conditions.registry.endpoints_of(endpoint.subscriber)
        active = [
            one for one in others if one.state is EndpointState.ACTIVE and one.endpoint_id != endpoint.endpoint_id
        ]
        oldest = sorted(active, key=lambda one: (one.created_at, one.endpoint_id))
        return [one.endpoint_id for one in oldest[:MOST_RECEIVERS]]

    def _owed(self, news: News, receiver: str) -> Outgoing:
        now, shard = self.clock.now(), self.conditions.shard_of(receiver)
        event = event_of(news.to(receiver, shard, now), now)
        return Outgoing(Topic.DUE, str(shard), encode_event(event), headers_for(event), shard)


def _range(lost: Lost) -> dict[str, Any]:
    """Places of the lane, as `seq` counts them; not all of them need be this endpoint's."""
    return {
        "lane": lost.lane,
        "first_seq": lost.start,
        "last_seq": lost.end - 1,
        "releases": lost.end - lost.start,
        "at": rfc3339(lost.at),
    }
