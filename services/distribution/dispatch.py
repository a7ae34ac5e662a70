"""What is done with a delivery whose turn has come: gate, endpoint, signature, POST, and what the answer leads to."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.distribution.attempts import Tried, row_of
from services.distribution.deliveries import Delivery
from services.distribution.journal import Journal
from services.distribution.outcome import Delivered, GateShut, Outcome, Refused, Unreachable
from services.distribution.ports import Clock
from services.distribution.registry import Registry, has_shared_secret
from services.distribution.retry import STANDARD, Disable, Exhausted, RetryAt, Schedule, Tier, after_failure, next_tier
from services.distribution.sending import Answer, Sender, SendRequest
from services.distribution.standings import Standings
from shared.domain.delivery import Verdict, gate
from shared.domain.events import Retry
from shared.domain.story import Lane
from shared.domain.subscription import Endpoint, EndpointState, Ordering
from shared.platform.signature import signed_headers

PENDING_LASTS: Final = timedelta(hours=24)
USER_AGENT: Final = "Slugline/0.1 (+webhooks)"


@dataclass(slots=True)
class Dispatch:
    """Brings deliveries to their end; every end is written down before `delivery.done()` lets its offset pass."""

    registry: Registry
    standings: Standings
    sender: Sender
    journal: Journal
    tried: Tried
    clock: Clock
    schedule: Schedule = STANDARD

    async def deliver(self, delivery: Delivery) -> Outcome | None:
        """Bring one delivery taken from the queues to its end; return the answer's outcome if there was one."""
        if self.tried.is_done(delivery.delivery_id, delivery.attempts):  # read twice, done once
            delivery.done()
            return None
        endpoint = self.registry.endpoints.get(delivery.endpoint_id)
        keys = self.registry.keys_of(delivery.endpoint_id, self.clock.now())
        if endpoint is None or endpoint.state is EndpointState.DISABLED:
            await self.journal.end(
                delivery, endpoint, "failed", "endpoint deleted" if endpoint is None else "endpoint disabled"
            )
        elif (verdict := self._verdict(delivery)) is not Verdict.SEND:
            await self.journal.end(
                delivery, endpoint, verdict.value, "a newer release" if verdict is Verdict.SUPERSEDED else ""
            )
        elif delivery.due_at and (tier := next_tier(delivery.due_at, self.clock.now())):
            first = delivery.first_failed_at or self.clock.now()
            retry = retry_of(delivery, delivery.attempts, first, delivery.due_at)
            await self._carry(delivery, endpoint, retry, tier, "not due yet")
        elif not has_shared_secret(keys) or endpoint.state is not EndpointState.ACTIVE:
            await self._put_off(delivery, endpoint, f"endpoint {endpoint.state}", PENDING_LASTS)
        elif (older := self._waits_for(delivery)) is not None:
            await self._put_off(delivery, endpoint, f"waits for release {older}", None)
        else:
            return await self._post(delivery, endpoint)
        return None

    async def _post(self, delivery: Delivery, endpoint: Endpoint) -> Outcome:
        now = self.clock.now()
        keys = self.registry.keys_of(endpoint.endpoint_id, now)
        headers = [
            ("content-type", "application/json"),
            ("user-agent", USER_AGENT),
            *signed_headers(delivery.delivery_id, int(now.timestamp()), delivery.body, keys),
            *endpoint.headers.items(),
        ]
        request = SendRequest(endpoint.url, headers, delivery.body)
        answer = await self.sender.send(request, lambda: self._verdict(delivery) is Verdict.SEND)
        await self._settle(delivery, endpoint, answer)
        return answer.outcome

    async def _settle(self, delivery: Delivery, endpoint: Endpoint, answer: Answer) -> None:
        outcome = answer.outcome
        if isinstance(outcome, GateShut):
            # asked again, the gate of a story that came back in this very moment may say "send" to the old text
            killed = self._verdict(delivery) is Verdict.KILLED
            await self.journal.end(delivery, endpoint, "killed" if killed else "superseded", "the gate shut")
        elif isinstance(outcome, Delivered):
            await self.journal.record(delivery, endpoint, "delivered", answer, n=delivery.attempts + 1)
            delivery.done()
        elif delivery.item is None:  # a test is tried once: its owner is looking
            await self.journal.record(delivery, endpoint, "failed", answer, n=1)
            delivery.done()
        else:
            await self._after_failure(delivery, endpoint, answer, outcome)

    async def _after_failure(
        self, delivery: Delivery, endpoint: Endpoint, answer: Answer, failure: Refused | Unreachable
    ) -> None:
        now = self.clock.now()
        first = delivery.first_failed_at or now
        n = delivery.attempts + 1
        match after_failure(failure, n, first, now, random.random(), self.schedule):
            case RetryAt(at, tier):
                retry = retry_of(delivery, n, first, at)
                await self.journal.append_retry(delivery, retry, tier or Tier.TEN_SECONDS)
                await self.journal.record(delivery, endpoint, "retrying", answer, n=n, next_attempt_at=at)
            case Exhausted():
                await self.journal.record(delivery, endpoint, "expired", answer, n=n)
            case Disable():
                await self._disable(endpoint)
                await self.journal.record(delivery, endpoint, "failed", answer, n=n)
        delivery.done()

    async def _disable(self, asked: Endpoint) -> None:
        """Disable the endpoint as it is now: its owner may have changed or deleted it while it was asked."""
        now = self.registry.endpoints.get(asked.endpoint_id)
        if now is not None and now.url == asked.url:
            await self.journal.disable(now)

    async def _put_off(self, delivery: Delivery, endpoint: Endpoint, reason: str, at_most: timedelta | None) -> None:
        """Keep a delivery that may not go yet in a tier, without counting a try."""
        now = self.clock.now()
        released_at = delivery.item.released_at if delivery.item else now
        if delivery.item is None or (at_most is not None and now - released_at > at_most):
            await self.journal.end(delivery, endpoint, "expired" if delivery.item else "failed", reason)
            return
        since = delivery.first_failed_at or now
        tier = _asked_again(now - since, at_most=Tier.TEN_MINUTES if at_most else Tier.ONE_MINUTE)
        retry = retry_of(delivery, delivery.attempts, since, now + tier.delay)
        await self._carry(delivery, endpoint, retry, tier, reason)

    async def _carry(self, delivery: Delivery, endpoint: Endpoint, retry: Retry, tier: Tier, reason: str) -> None:
        """Put a delivery into a tier without a try; its row tells a successor that it is owed."""
        await self.journal.append_retry(delivery, retry, tier)
        now = self.clock.now()
        row = row_of(
            delivery, endpoint.subscriber, "retrying", reason, now, n=retry.attempts, next_attempt_at=retry.due_at
        )
        await self.journal.write(row, delivery.shard)
        delivery.done()

    def _verdict(self, delivery: Delivery) -> Verdict:
        if delivery.item is None:
            return Verdict.SEND
        ordering = self.registry.ordering_of(delivery.endpoint_id)
        standing = self.standings.of(delivery.story_id)
        item = delivery.item
        return gate(standing, item.kind, item.release_no, ordering, self.tried.has(delivery))

    def _waits_for(self, delivery: Delivery) -> int | None:
        """Under `every` a routine release waits for an older one in a retry topic that may still be sent.

        Notices and flashes never wait.
        """
        if delivery.item is None or delivery.is_notice or delivery.item.lane is Lane.FLASH:
            return None
        if self.registry.ordering_of(delivery.endpoint_id) is not Ordering.EVERY:
            return None
        sendable = max(self.tried.has(delivery), self.standings.of(delivery.story_id).ended)
        first = self.tried.first_owed(delivery, since=sendable)
        return first if first < delivery.release_no else None


def retry_of(delivery: Delivery, attempts: int, first_failed_at: datetime, due_at: datetime) -> Retry:
    assert delivery.item is not None
    return Retry(
        item=delivery.item,
        endpoint_id=delivery.endpoint_id,
        shard=delivery.shard,
        delivery_id=delivery.delivery_id,
        attempts=attempts,
        first_failed_at=first_failed_at,
        due_at=due_at,
    )


def _asked_again(waited: timedelta, at_most: Tier) -> Tier:
    """Return the longest tier that is no more than about a tenth of the wait so far: a day costs 300 records."""
    fits = (tier for tier in (Tier.TEN_MINUTES, Tier.ONE_MINUTE) if tier.delay <= min(waited / 10, at_most.delay))
    return next(fits, Tier.TEN_SECONDS)


def backed_off(outcome: Outcome | None) -> bool:
    """Tell whether the answer asks for less at once: a timeout, 429 or 503."""
    return (isinstance(outcome, Unreachable) and outcome.kind == "timeout") or (
        isinstance(outcome, Refused) and outcome.status in {429, 503}
    )
