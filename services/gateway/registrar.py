"""How do subscribers set up where their news goes? Endpoints: made, changed, moved from state to state, deleted."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.gateway.endpoint_rules import EndpointRules, NewSecrets, own_headers, secrets_for
from services.gateway.keychain import Keychain, record_of
from services.gateway.own_writes import OwnWrites
from services.gateway.ports import Publishing
from services.gateway.refusals import Conflict
from services.gateway.registry import Part, Registry
from shared.domain.events import EndpointTest, Test, encode_event
from shared.domain.state import Principal
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.clock import Clock
from shared.platform.envelopes import headers_for
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of, partition_of

UNCHANGED: Final = object()
Signing = tuple[Literal["v1", "v1a"], ...]
PARTS: Final = ("endpoint", "secret", "certificate", "headers")


@dataclass(frozen=True, slots=True)
class Registrar:
    """Writes endpoints: one record for each part, so that two writers never overwrite each other's part."""

    registry: Registry
    writes: OwnWrites
    publisher: Publishing
    keychain: Keychain
    rules: EndpointRules
    clock: Clock
    shards: int

    async def register(
        self,
        subscriber: str,
        url: str,
        signing: Signing,
        headers: dict[str, str],
        secret: str | None,
        certificate: str | None = None,
        **fields: Any,
    ) -> tuple[Part[Endpoint], NewSecrets]:
        """Make a pending endpoint; its challenge goes out when its record is read. Raises Unfit, PublishError."""
        made = secrets_for(signing, secret)
        own = own_headers(headers)
        now = self.clock.now()
        endpoint = Endpoint(
            endpoint_id=f"ep_{secrets.token_hex(12)}",
            subscriber=subscriber,
            url=await self.rules.url(url),
            signing=signing,
            created_at=now,
            challenge=_token(),
            challenged_at=now,
            **fields,
        )
        records = [self.keychain.first(endpoint.endpoint_id, made), record_of(endpoint)]
        if own:
            records[:0] = [self.keychain.headed(endpoint.endpoint_id, own)]
        if certificate is not None:
            records[:0] = [self.keychain.certified(endpoint, certificate)]
        await self.writes.write(*records)
        return self._now(endpoint), made

    async def change(
        self, by: Principal, endpoint_id: str, if_match: str | None, fields: dict[str, Any]
    ) -> Part[Endpoint]:
        """Change what is given of an endpoint; another URL makes it pending until its challenge is met.

        Raises NotFound, Changed, Unfit, PublishError.
        """
        self.registry.endpoint(by, endpoint_id).require(if_match)
        update = await self._vetted(dict(fields))
        certificate = update.pop("client_certificate", UNCHANGED)
        async with self.keychain.turns.of(endpoint_id):
            part = self.registry.endpoint(by, endpoint_id)
            part.require(if_match)
            if update.get("url", part.value.url) != part.value.url:
                update |= self._challenged()
            headers = update.get("headers", part.value.headers or UNCHANGED)
            records = [record_of(endpoint := part.value.model_copy(update={**update, "headers": {}}))]
            if headers is not UNCHANGED:
                records[:0] = [self.keychain.headed(endpoint_id, headers)]
            if certificate is not UNCHANGED:
                records[:0] = [self.keychain.certified(endpoint, certificate)]
            if "signing" in update:
                records[:0] = self.keychain.after_change(endpoint)
            await self.writes.write(*records)
            return self._now(endpoint)

    async def _vetted(self, update: dict[str, Any]) -> dict[str, Any]:
        if "headers" in update:
            update["headers"] = own_headers(update["headers"])
        if "url" in update:
            update["url"] = await self.rules.url(update["url"])
        return update

    async def delete(self, by: Principal, endpoint_id: str, if_match: str | None) -> None:
        """Delete an endpoint with its secrets; subscriptions that went there go on as stream only.

        Raises NotFound, Changed, PublishError: then repeat.
        """
        self.registry.endpoint(by, endpoint_id).require(if_match)
        kept = [each.model_copy(update={"endpoint_id": None}) for each in self.registry.served_by(endpoint_id)]
        for subscription in kept:
            key = key_of(subscription.subscription_id, "subscription")
            value = subscription.model_dump_json(by_alias=True).encode()
            await self.writes.write(Outgoing(Topic.SUBSCRIPTION_STATE, key, value))
        await self.writes.write(
            *(Outgoing(Topic.SUBSCRIPTION_STATE, key_of(endpoint_id, part), None) for part in PARTS)
        )

    async def challenge(self, by: Principal, endpoint_id: str) -> Part[Endpoint]:
        """Ask again whether the endpoint is its registrant's. Raises NotFound, Conflict, PublishError."""
        async with self.keychain.turns.of(endpoint_id):
            part = self.registry.endpoint(by, endpoint_id)
            if part.value.state is not EndpointState.PENDING:
                raise Conflict(f"this endpoint is {part.value.state}; only a pending one is challenged")
            return await self._write(part.value.model_copy(update=self._challenged()))

    async def move(
        self, by: Principal, endpoint_id: str, allowed: Sequence[EndpointState], to: EndpointState
    ) -> Part[Endpoint]:
        """Pause, resume or enable; an endpoint that is there already stays. Raises NotFound, Conflict, PublishError."""
        async with self.keychain.turns.of(endpoint_id):
            part = self.registry.endpoint(by, endpoint_id)
            if part.value.state is to:
                return part
            if part.value.state not in allowed:
                raise Conflict(f"this endpoint is {part.value.state}; it cannot become {to}")
            return await self._write(part.value.model_copy(update={"state": to, "disabled": None}))

    async def test(self, by: Principal, endpoint_id: str) -> str:
        """Send a test event the way deliveries go; return its id, a delivery's. Raises NotFound, PublishError."""
        endpoint = self.registry.endpoint(by, endpoint_id).value
        shard = partition_of(endpoint_id, self.shards)
        test_id = f"tst_{secrets.token_hex(16)}"
        event = EndpointTest(
            event_id=test_id,
            story_id=test_id,
            occurred_at=self.clock.now(),
            producer="gateway",
            data=Test(endpoint_id=endpoint.endpoint_id, shard=shard, test_id=test_id),
        )
        await self.publisher.publish(
            Topic.DUE_FLASH, str(shard), encode_event(event), headers_for(event), partition=shard
        )
        return test_id

    async def _write(self, endpoint: Endpoint) -> Part[Endpoint]:
        await self.writes.write(record_of(endpoint))
        return self._now(endpoint)

    def _now(self, endpoint: Endpoint) -> Part[Endpoint]:
        owner = Principal(
            key_id="", hash="", prefix="", subscriber=endpoint.subscriber, person="", scopes=(),
            created_at=endpoint.created_at,
        )  # fmt: skip
        return self.registry.endpoint(owner, endpoint.endpoint_id)

    def _challenged(self) -> dict[str, Any]:
        asked = {"challenge": _token(), "challenged_at": self.clock.now()}
        return {"state": EndpointState.PENDING, "disabled": None, **asked}


def _token() -> str:
    return secrets.token_urlsafe(24)
