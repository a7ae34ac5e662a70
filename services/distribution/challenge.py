"""Does whoever registered an endpoint also own it? A signed challenge, asked five times within a minute."""

import asyncio
import heapq
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson

from services.distribution.matching import ShardOf
from services.distribution.outcome import Delivered
from services.distribution.ports import Clock, Publishing
from services.distribution.registry import Registry, has_shared_secret
from services.distribution.sending import Answer, Sender, SendRequest
from shared.domain.item import rfc3339
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.logs import logger
from shared.platform.signature import signed_headers
from shared.platform.topics import Topic, key_of

ASKED_AFTER: Final = tuple(timedelta(seconds=each) for each in (0, 3, 10, 25, 50))
LATE_BY_AT_MOST: Final = timedelta(seconds=5)
AT_ONCE: Final = 20


@dataclass(slots=True)
class Challenger:
    """Asks the pending endpoints of the shards it owns; the answer makes them active in `subscription.state`."""

    registry: Registry
    publisher: Publishing
    sender: Sender
    clock: Clock
    shard_of: ShardOf
    owned: set[int] = field(default_factory=set)
    _due: list[tuple[datetime, str, str]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def noticed(self, endpoint: Endpoint) -> None:
        """An endpoint's record was read: when it is pending and young, its challenges are scheduled."""
        if self.shard_of(endpoint.endpoint_id) in self.owned:
            self._schedule(endpoint)

    async def gained(self, partitions: frozenset[int]) -> None:
        self.owned |= partitions
        for endpoint in self.registry.endpoints.values():
            if self.shard_of(endpoint.endpoint_id) in partitions:
                self._schedule(endpoint)

    async def lost(self, partitions: frozenset[int]) -> None:
        self.owned -= partitions

    async def run(self, stop: asyncio.Event) -> None:
        """Job: ask when it is time, at most `AT_ONCE` at a time, until `stop`."""
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(stop.wait())
            limit = asyncio.Semaphore(AT_ONCE)
            while not stop.is_set():
                while self._due and self._due[0][0] <= self.clock.now():
                    _, endpoint_id, token = heapq.heappop(self._due)
                    await limit.acquire()
                    asked = group.create_task(self._ask(endpoint_id, token))
                    asked.add_done_callback(lambda _: limit.release())
                await self._nap(ended)

    async def _nap(self, ended: "asyncio.Task[bool]") -> None:
        self._changed.clear()
        seconds = (self._due[0][0] - self.clock.now()).total_seconds() if self._due else None
        changed = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait({changed, ended}, timeout=seconds and max(seconds, 0.0), return_when="FIRST_COMPLETED")
        changed.cancel()

    def _schedule(self, endpoint: Endpoint) -> None:
        if endpoint.state is not EndpointState.PENDING or not endpoint.challenge:
            return
        now = self.clock.now()
        asked_at = endpoint.challenged_at or endpoint.created_at
        for after in ASKED_AFTER:
            if asked_at + after >= now - LATE_BY_AT_MOST:
                heapq.heappush(self._due, (asked_at + after, endpoint.endpoint_id, endpoint.challenge))
        self._changed.set()

    async def _ask(self, endpoint_id: str, token: str) -> None:
        endpoint = self._pending(endpoint_id, token)
        if endpoint is None:
            return
        now = self.clock.now()
        keys = self.registry.keys_of(endpoint_id, now)
        if not has_shared_secret(keys):  # its secret is a record of its own and comes in a moment
            heapq.heappush(self._due, (now + timedelta(milliseconds=100), endpoint_id, token))
            self._changed.set()
            return
        body = orjson.dumps({"type": "endpoint.challenge", "timestamp": rfc3339(now), "data": {"challenge": token}})
        webhook_id = f"chl_{secrets.token_hex(12)}"
        headers = [
            ("content-type", "application/json"),
            *signed_headers(webhook_id, int(now.timestamp()), body, keys),
            *self.registry.headers_of(endpoint),
        ]
        request = SendRequest(endpoint.url, headers, body, self.registry.certificate_of(endpoint_id))
        answer = await self.sender.send(request)
        met = meets(answer, token)
        logger().info("endpoint.challenged", endpoint_id=endpoint_id, met=met, outcome=type(answer.outcome).__name__)
        now_known = self._pending(endpoint_id, token)  # while it was asked its owner may have changed or deleted it
        if met and now_known is not None:
            active = now_known.model_copy(update={"state": EndpointState.ACTIVE})
            key = key_of(endpoint_id, "endpoint")
            await self.publisher.publish(Topic.SUBSCRIPTION_STATE, key, active.model_dump_json().encode())

    def _pending(self, endpoint_id: str, token: str) -> Endpoint | None:
        """Return the endpoint as it is now while it is ours and waits for this challenge."""
        endpoint = self.registry.endpoints.get(endpoint_id)
        if endpoint is None or endpoint.state is not EndpointState.PENDING or endpoint.challenge != token:
            return None
        return endpoint if self.shard_of(endpoint_id) in self.owned else None


def meets(answer: Answer, token: str) -> bool:
    """Tell whether a 2xx answer gives the challenge back, as `text/plain` or as `{"challenge": …}`."""
    if not isinstance(answer.outcome, Delivered):
        return False
    said = answer.excerpt.strip()
    if secrets.compare_digest(said.encode(), token.encode()):
        return True
    try:
        read = orjson.loads(said)
    except orjson.JSONDecodeError:
        return False
    return isinstance(read, dict) and read.get("challenge") == token
