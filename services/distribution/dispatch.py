"""What is done with a delivery whose turn has come: gate, endpoint, signature, POST, and what the answer leads to."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from services.distribution.attempts import GIVEN_UP, Tried, row_of
from services.distribution.conditions import Conditions
from services.distribution.deliveries import Delivery
from services.distribution.in_turn import InTurn
from services.distribution.journal import Journal
from services.distribution.outcome import Delivered, GateShut, Outcome, Refused, Unreachable
from services.distribution.ports import Clock
from services.distribution.registry import Registry, has_shared_secret
from services.distribution.retiring import PENDING_LASTS
from services.distribution.retry import Disable, Exhausted, RetryAt, after_failure, next_tier
from services.distribution.sending import Answer, Sender, SendRequest
from services.distribution.standings import Standings
from services.distribution.tenure import Tenure
from shared.domain.delivery import Verdict, gate
from shared.domain.events import Retry, Told
from shared.domain.retry_schedule import STANDARD, Schedule, Tier
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.signature import SigningKey, signed_headers

STEPS_ASIDE: Final = 5
USER_AGENT: Final = "Slugline/0.1 (+webhooks)"


Answered: TypeAlias = Callable[[Answer], None]
Waits: TypeAlias = Retry | Told


def nobody(answer: Answer) -> None:
    """Who is told of an answer where nobody waits for the slot."""


@dataclass(slots=True)
class Dispatch:
    """Brings deliveries to their end; every end is written down before `delivery.done()` lets its offset pass."""

    registry: Registry
    standings: Standings
    sender: Sender
    journal: Journal
    tried: Tried
    clock: Clock
    in_turn: InTurn
    conditions: Conditions
    tenure: Tenure = field(default_factory=Tenure)
    schedule: Schedule = STANDARD

    async def deliver(self, delivery: Delivery, answered: Answered = nobody) -> Outcome | None:
        """Bring one delivery taken from the queues to its end; return the answer's outcome if there was one.

        `answered` is told of the answer before anything of it is written down. Nothing is done, written or let pass for
        a shard that is not ours any more: its new owner does it all.
        """
        delivery.flying = True
        if delivery.settled or not (self.tenure.holds(delivery) or await self.tenure.confirmed(delivery)):
            return None
        if not delivery.again and self.tried.is_done(delivery.delivery_id, delivery.attempts):  # read twice, done once
            if ended := self.tried.how_it_ended(delivery.delivery_id):
                await self.in_turn.ended(delivery, delivered=ended == "delivered")
            delivery.done()
            return None
        endpoint = self.registry.endpoints.get(delivery.endpoint_id)
        now = self.clock.now()
        keys, has = self.registry.keys_of(delivery.endpoint_id, now), self._has(delivery)
        ready = endpoint is not None and _is_ready(endpoint, keys)
        if endpoint is None or endpoint.state is EndpointState.DISABLED:
            await self._end(delivery, endpoint, "failed", f"endpoint {'disabled' if endpoint else 'deleted'}")
        elif (verdict := self._verdict(delivery, has)) is not Verdict.SEND:
            reason = "a newer release" if verdict is Verdict.SUPERSEDED else ""
            await self._end(delivery, endpoint, verdict.value, reason)
        elif delivery.lapsed:
            await self._end(delivery, endpoint, GIVEN_UP, delivery.lapsed)
        elif self.conditions.detains(delivery, ready=ready):
            await self._back_to_the_log(delivery, endpoint)
        elif delivery.due_at and (tier := next_tier(delivery.due_at, now)):
            first = delivery.first_failed_at or now
            retry = retry_of(delivery, delivery.attempts, first, delivery.due_at)
            await self._carry(delivery, endpoint, retry, tier, "not due yet")
        elif not ready:
            await self._put_off(delivery, endpoint, f"endpoint {endpoint.state}", PENDING_LASTS)
        elif (older := self.in_turn.waits_for(delivery, has)) is not None:
            await self._stand_back(delivery, endpoint, f"waits for release {older}")
        else:
            return await self._post(delivery, endpoint, keys, now, answered)
        return None

    async def _post(
        self, delivery: Delivery, endpoint: Endpoint, keys: list[SigningKey], now: datetime, answered: Answered
    ) -> Outcome | None:
        headers = [
            ("content-type", "application/json"),
            ("user-agent", USER_AGENT),
            *signed_headers(delivery.delivery_id, int(now.timestamp()), delivery.body, keys),
            *self.registry.headers_of(endpoint),
        ]
        certificate = self.registry.certificate_of(endpoint.endpoint_id)
        request = SendRequest(endpoint.url, headers, delivery.body, certificate)
        answer = await self.sender.send(request, lambda: self._may_write(delivery))
        if isinstance(answer.outcome, GateShut) and not self.tenure.holds(delivery):
            return await self.deliver(delivery, answered)  # it was ours to send no more, or is not for the moment
        answered(answer)
        await self._settle(delivery, endpoint, answer)
        return answer.outcome

    def _may_write(self, delivery: Delivery) -> bool:
        """The send gate, asked at the moment of writing to the socket."""
        return self.tenure.holds(delivery) and self._verdict(delivery, self._has(delivery)) is Verdict.SEND

    async def _settle(self, delivery: Delivery, endpoint: Endpoint, answer: Answer) -> None:
        outcome = answer.outcome
        if isinstance(outcome, GateShut):
            # asked again, the gate of a story that came back in this very moment may say "send" to the old text
            killed = self._verdict(delivery, self._has(delivery)) is Verdict.KILLED
            await self._end(delivery, endpoint, "killed" if killed else "superseded", "the gate shut")
        elif isinstance(outcome, Delivered):
            # true whoever owns the shard by now, and the sooner a successor reads it the less comes twice
            self.conditions.succeeded(delivery.endpoint_id)
            await self.journal.record(delivery, endpoint, "delivered", answer, n=delivery.attempts + 1)
            await self._ended(delivery, delivered=True)
        elif delivery.owed_since is None:  # a test is tried once: its owner is looking
            await self.journal.record(delivery, endpoint, "failed", answer, n=1)
            delivery.done()
        elif await self.tenure.confirmed(delivery):
            self.conditions.failed(delivery.endpoint_id, outcome)
            await self._after_failure(delivery, endpoint, answer, outcome)

    async def _after_failure(
        self, delivery: Delivery, endpoint: Endpoint, answer: Answer, failure: Refused | Unreachable
    ) -> None:
        now = self.clock.now()
        first = delivery.first_failed_at or now
        n = delivery.attempts + 1
        match after_failure(failure, n, first, now, random.random(), self.schedule):
            case RetryAt() | Exhausted() if delivery.again:  # once more later, if its replay says so
                await self.journal.record(delivery, endpoint, GIVEN_UP, answer, n=n)
                delivery.undone()
            case RetryAt() if (probed := self._stays(delivery, n, failure)) is not None:
                await self._into_the_log(delivery, n, first)
                await self.journal.record(delivery, endpoint, "retrying", answer, n=n, next_attempt_at=probed)
                await self._let_go(delivery)
            case RetryAt(at, tier):
                retry = retry_of(delivery, n, first, at)
                await self._into_tier(delivery, retry, tier or Tier.TEN_SECONDS)
                await self.journal.record(delivery, endpoint, "retrying", answer, n=n, next_attempt_at=at)
                delivery.done()
            case Exhausted():
                await self.journal.record(delivery, endpoint, GIVEN_UP, answer, n=n)
                await self._ended(delivery)
            case Disable():
                await self._disable(endpoint)
                await self.journal.record(delivery, endpoint, "failed", answer, n=n)
                await self._ended(delivery)

    def _stays(self, delivery: Delivery, n: int, failure: Refused | Unreachable) -> datetime | None:
        """When a failed delivery that is owed from the log is tried again; None when a tier takes it.

        The log owes what fails while its endpoint is left alone. One that is refused over and over steps aside into a
        tier all the same: the next one may be the one that the endpoint takes.
        """
        if delivery.item is None or delivery.item.seq is None or not self.conditions.has_room(delivery):
            return None
        steps_aside = isinstance(failure, Refused) and n >= STEPS_ASIDE
        return None if steps_aside else self.conditions.left_alone_until(delivery.endpoint_id)

    async def _back_to_the_log(self, delivery: Delivery, endpoint: Endpoint) -> None:
        """It may not go now: what was read from the log stays there, the rest is owed from there again."""
        if delivery.reread or delivery.again:
            delivery.undone()
        elif delivery.attempts and not self.conditions.has_room(delivery):
            await self._put_off(delivery, endpoint, "too many wait for this endpoint", None)
        else:
            await self._into_the_log(delivery, delivery.attempts, delivery.first_failed_at)
            await self._let_go(delivery)

    async def _into_the_log(self, delivery: Delivery, attempts: int, first: datetime | None) -> None:
        """As into a tier: known as unanswered before it is owed from the log, and fetched for its turn no more then."""
        await self.in_turn.enlist(delivery)
        await self.conditions.fold(delivery, attempts, first)
        await self.in_turn.hold(delivery)

    async def _let_go(self, delivery: Delivery) -> None:
        """The log owes it by now: the record that it came with may pass."""
        if delivery.reread:
            delivery.undone()
        elif await self.tenure.confirmed(delivery):
            delivery.done()

    async def _disable(self, asked: Endpoint) -> None:
        """Disable the endpoint as it is now: its owner may have changed or deleted it while it was asked."""
        now = self.registry.endpoints.get(asked.endpoint_id)
        if now is not None and now.url == asked.url:
            await self.journal.disable(self.conditions.disabled(now, "gone"))

    async def _end(self, delivery: Delivery, endpoint: Endpoint | None, state: str, outcome: str) -> None:
        """End a delivery without a try; one that is sent again on request keeps the end that it has had."""
        if delivery.again:
            delivery.done()
            return
        await self.journal.end(delivery, endpoint, state, outcome)
        await self._ended(delivery)

    async def _ended(self, delivery: Delivery, *, delivered: bool = False) -> None:
        """Its last row is written: let go on whoever waits for it, then let its offset pass."""
        if self.tenure.term(delivery.shard) == delivery.term:
            await self.in_turn.ended(delivery, delivered=delivered)
            delivery.done()

    async def _stand_back(self, delivery: Delivery, endpoint: Endpoint, reason: str) -> None:
        """Let a release wait for an older one: by its place in the log, or in a tier if it was tried before."""
        if delivery.again:
            delivery.undone()
            return
        if delivery.attempts or delivery.item is None or delivery.item.seq is None:
            await self._put_off(delivery, endpoint, reason, None)
            return
        await self.in_turn.hold(delivery, waits=True)
        row = row_of(delivery, endpoint.subscriber, "retrying", reason, self.clock.now(), n=0)
        await self.journal.write(row, delivery)
        delivery.done()

    async def _put_off(self, delivery: Delivery, endpoint: Endpoint, reason: str, at_most: timedelta | None) -> None:
        """Keep a delivery that may not go yet in a tier, without counting a try."""
        now, owed_since = self.clock.now(), delivery.owed_since
        if owed_since is None or (at_most is not None and now - owed_since > at_most):
            await self._end(delivery, endpoint, GIVEN_UP if owed_since else "failed", reason)
            return
        since = delivery.first_failed_at or now
        tier = _asked_again(now - since, at_most=Tier.TEN_MINUTES if at_most else Tier.ONE_MINUTE)
        retry = retry_of(delivery, delivery.attempts, since, now + tier.delay)
        await self._carry(delivery, endpoint, retry, tier, reason)

    async def _carry(self, delivery: Delivery, endpoint: Endpoint, retry: Waits, tier: Tier, reason: str) -> None:
        """Put a delivery into a tier without a try; its row tells a successor that it is owed."""
        await self._into_tier(delivery, retry, tier)
        now = self.clock.now()
        row = row_of(
            delivery, endpoint.subscriber, "retrying", reason, now, n=retry.attempts, next_attempt_at=retry.due_at
        )
        await self.journal.write(row, delivery)
        delivery.done()

    async def _into_tier(self, delivery: Delivery, retry: Waits, tier: Tier) -> None:
        """Known as unanswered before it is in the tier; as one that need not be fetched only once it is there."""
        await self.in_turn.enlist(delivery)
        await self.journal.append_retry(delivery, retry, tier)
        await self.in_turn.hold(delivery)

    def _has(self, delivery: Delivery) -> int:
        """The newest release of the story that the endpoint has, or is owed through the lane that goes first."""
        return max(self.tried.has(delivery), self.in_turn.has(delivery), delivery.overtaken_by)

    def _verdict(self, delivery: Delivery, has: int) -> Verdict:
        """What the gate says to an endpoint that has release `has` of the story."""
        item = delivery.item
        if item is None:
            return Verdict.SEND
        ordering = self.registry.ordering_of(delivery.endpoint_id)
        return gate(self.standings.of(delivery.story_id), item.kind, item.release_no, ordering, has)


def retry_of(delivery: Delivery, attempts: int, first_failed_at: datetime, due_at: datetime) -> Waits:
    if delivery.told is not None:
        tries = {"attempts": attempts, "first_failed_at": first_failed_at, "due_at": due_at}
        return delivery.told.model_copy(update=tries)
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


def _is_ready(endpoint: Endpoint, keys: list[SigningKey]) -> bool:
    """Whether anything may be sent to it at all."""
    return endpoint.state is EndpointState.ACTIVE and has_shared_secret(keys)


def _asked_again(waited: timedelta, at_most: Tier) -> Tier:
    """Return the longest tier that is no more than about a tenth of the wait so far: a day costs 300 records."""
    fits = (tier for tier in (Tier.TEN_MINUTES, Tier.ONE_MINUTE) if tier.delay <= min(waited / 10, at_most.delay))
    return next(fits, Tier.TEN_SECONDS)


def backed_off(outcome: Outcome | None) -> bool:
    """Tell whether the answer asks for less at once: a timeout, 429 or 503."""
    return (isinstance(outcome, Unreachable) and outcome.kind == "timeout") or (
        isinstance(outcome, Refused) and outcome.status in {429, 503}
    )
