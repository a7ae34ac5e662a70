"""How do subscribers set up where their news goes? Endpoints and their secrets: made, changed, rotated, deleted."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.gateway.endpoint_rules import EndpointRules, NewSecrets, own_headers, public_of, secrets_for
from services.gateway.own_writes import OwnWrites
from services.gateway.ports import Publishing
from services.gateway.refusals import Conflict
from services.gateway.registry import Part, Registry
from shared.domain.events import EndpointTest, Test, encode_event
from shared.domain.state import Principal
from shared.domain.subscription import Endpoint, EndpointSecret, EndpointState
from shared.platform.clock import Clock
from shared.platform.envelopes import headers_for
from shared.platform.publishing import Outgoing
from shared.platform.sealing import Sealer
from shared.platform.topics import Topic, key_of, partition_of

Signing = tuple[Literal["v1", "v1a"], ...]


@dataclass(frozen=True, slots=True)
class Registrar:
    """Writes endpoints: one record for each part, so that two writers never overwrite each other's part."""

    registry: Registry
    writes: OwnWrites
    publisher: Publishing
    sealer: Sealer
    rules: EndpointRules
    clock: Clock
    shards: int

    async def register(
        self, subscriber: str, url: str, signing: Signing, headers: dict[str, str], secret: str | None, **fields: Any
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
            headers=own,
            created_at=now,
            challenge=_token(),
            challenged_at=now,
            **fields,
        )
        sealed = self._sealed(endpoint.endpoint_id, made)
        await self.writes.write(_secret_record(sealed), _record(endpoint))
        return self._now(endpoint), made

    async def change(
        self, by: Principal, endpoint_id: str, if_match: str | None, fields: dict[str, Any]
    ) -> Part[Endpoint]:
        """Change what is given of an endpoint; another URL makes it pending until its challenge is met.

        Raises NotFound, Changed, Unfit, PublishError.
        """
        part = self.registry.endpoint(by, endpoint_id)
        part.require(if_match)
        update = dict(fields)
        if "headers" in update:
            update["headers"] = own_headers(update["headers"])
        if "url" in update:
            update["url"] = await self.rules.url(update["url"])
            if update["url"] != part.value.url:
                update |= self._challenged()
        records = [_record(endpoint := part.value.model_copy(update=update))]
        if "signing" in update:
            records[:0] = self._signing(endpoint)
        await self.writes.write(*records)
        return self._now(endpoint)

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
        parts = ("endpoint", "secret")
        await self.writes.write(
            *(Outgoing(Topic.SUBSCRIPTION_STATE, key_of(endpoint_id, part), None) for part in parts)
        )

    async def rotate(
        self, by: Principal, endpoint_id: str, overlap_s: int, brought: str | None
    ) -> tuple[NewSecrets, datetime | None]:
        """Sign with new secrets; the ones before stay valid for `overlap_s` (0: not at all).

        Returns the new ones and when those before retire. Raises NotFound, Unfit, PublishError.
        """
        endpoint = self.registry.endpoint(by, endpoint_id).value
        made = secrets_for(endpoint.signing, brought)
        now = self.clock.now()
        until = now + timedelta(seconds=overlap_s) if overlap_s else None
        sealed = self._sealed(endpoint_id, made)
        if until is not None:
            sealed = _followed_by(sealed, self.registry.secret(endpoint_id), until, now)
        await self.writes.write(_secret_record(sealed))
        return made, until

    async def challenge(self, by: Principal, endpoint_id: str) -> Part[Endpoint]:
        """Ask again whether the endpoint is its registrant's. Raises NotFound, Conflict, PublishError."""
        part = self.registry.endpoint(by, endpoint_id)
        if part.value.state is not EndpointState.PENDING:
            raise Conflict(f"this endpoint is {part.value.state}; only a pending one is challenged")
        return await self._write(part.value.model_copy(update=self._challenged()))

    async def move(
        self, by: Principal, endpoint_id: str, allowed: Sequence[EndpointState], to: EndpointState
    ) -> Part[Endpoint]:
        """Pause, resume or enable; an endpoint that is there already stays. Raises NotFound, Conflict, PublishError."""
        part = self.registry.endpoint(by, endpoint_id)
        if part.value.state is to:
            return part
        if part.value.state not in allowed:
            raise Conflict(f"this endpoint is {part.value.state}; it cannot become {to}")
        return await self._write(part.value.model_copy(update={"state": to}))

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

    def public_key(self, endpoint_id: str) -> str | None:
        """The newest public key of an endpoint that signs with ed25519."""
        sealed = self.registry.secret(endpoint_id)
        opened = (self.sealer.open(one) for one in (sealed.sealed if sealed else ()))
        private = next((one for one in opened if one.startswith("whsk_")), None)
        return public_of(private) if private else None

    async def _write(self, endpoint: Endpoint) -> Part[Endpoint]:
        await self.writes.write(_record(endpoint))
        return self._now(endpoint)

    def _now(self, endpoint: Endpoint) -> Part[Endpoint]:
        owner = Principal(
            key_id="", hash="", prefix="", subscriber=endpoint.subscriber, person="", scopes=(),
            created_at=endpoint.created_at,
        )  # fmt: skip
        return self.registry.endpoint(owner, endpoint.endpoint_id)

    def _challenged(self) -> dict[str, Any]:
        return {"state": EndpointState.PENDING, "challenge": _token(), "challenged_at": self.clock.now()}

    def _sealed(self, endpoint_id: str, made: NewSecrets) -> EndpointSecret:
        sealed = tuple(self.sealer.seal(one) for one in made.all)
        return EndpointSecret(endpoint_id=endpoint_id, sealed=sealed, retire_at=(None,) * len(sealed))

    def _signing(self, endpoint: Endpoint) -> list[Outgoing]:
        """The secrets after a change of `signing`: an ed25519 key is added, or every one dropped."""
        standing = self.registry.secret(endpoint.endpoint_id)
        if standing is None:
            return []
        times = (*standing.retire_at, *(None,) * len(standing.sealed))
        kept = [
            (one, until)
            for one, until in zip(standing.sealed, times, strict=False)
            if "v1a" in endpoint.signing or not self.sealer.open(one).startswith("whsk_")
        ]
        if "v1a" in endpoint.signing and self.public_key(endpoint.endpoint_id) is None:
            private = secrets_for(endpoint.signing, None).private
            kept.append((self.sealer.seal(private or ""), None))
        changed = EndpointSecret(
            endpoint_id=endpoint.endpoint_id,
            sealed=tuple(one for one, _ in kept),
            retire_at=tuple(until for _, until in kept),
        )
        return [] if changed == standing else [_secret_record(changed)]


def _followed_by(new: EndpointSecret, old: EndpointSecret | None, until: datetime, now: datetime) -> EndpointSecret:
    """Put the secrets before behind the new ones; what retires earlier anyway still does, what has retired goes."""
    if old is None:
        return new
    times = (*old.retire_at, *(None,) * len(old.sealed))
    kept = [
        (sealed, min(time, until) if time else until)
        for sealed, time in zip(old.sealed, times, strict=False)
        if time is None or time > now
    ]
    return EndpointSecret(
        endpoint_id=new.endpoint_id,
        sealed=(*new.sealed, *(sealed for sealed, _ in kept)),
        retire_at=(*new.retire_at, *(time for _, time in kept)),
    )


def _record(endpoint: Endpoint) -> Outgoing:
    key = key_of(endpoint.endpoint_id, "endpoint")
    return Outgoing(Topic.SUBSCRIPTION_STATE, key, endpoint.model_dump_json().encode())


def _secret_record(secret: EndpointSecret) -> Outgoing:
    key = key_of(secret.endpoint_id, "secret")
    return Outgoing(Topic.SUBSCRIPTION_STATE, key, secret.model_dump_json().encode())


def _token() -> str:
    return secrets.token_urlsafe(24)
