"""With which keys does an endpoint sign, what certificate and headers does it show? Made, rotated, and kept sealed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.gateway.client_certificate import read_certificate
from services.gateway.endpoint_rules import NewSecrets, public_of, secrets_for
from services.gateway.own_writes import OwnWrites
from services.gateway.refusals import Conflict, unfit
from services.gateway.registry import Registry
from services.gateway.turns import Turns
from shared.domain.client_certificate import EndpointCertificate
from shared.domain.endpoint_headers import EndpointHeaders, written_headers
from shared.domain.item import rfc3339
from shared.domain.state import Principal
from shared.domain.subscription import Endpoint, EndpointSecret
from shared.platform.clock import Clock
from shared.platform.publishing import Outgoing
from shared.platform.sealing import Sealer
from shared.platform.signature import PRIVATE_PREFIX
from shared.platform.topics import Topic, key_of

MOST_KEYS: Final = 10
"""Signatures on one webhook, at most."""


@dataclass(frozen=True, slots=True)
class Keychain:
    """Secrets, certificates and headers, each a record of its own.

    Whoever reads one to write it anew holds the endpoint's turn meanwhile, so that this process undoes no change of
    its own; two processes that change one part of one endpoint in the same moment are not kept apart.
    """

    registry: Registry
    writes: OwnWrites
    sealer: Sealer
    clock: Clock
    turns: Turns = field(default_factory=Turns)

    async def rotate(
        self, by: Principal, endpoint_id: str, overlap_s: int, brought: str | None
    ) -> tuple[NewSecrets, datetime | None]:
        """Sign with new secrets; the ones before stay valid for `overlap_s` (0: not at all).

        Returns the new ones and when those before retire. Raises NotFound, Unfit, Conflict when more than
        `MOST_KEYS` would be in force, PublishError.
        """
        async with self.turns.of(endpoint_id):
            endpoint = self.registry.endpoint(by, endpoint_id).value
            made = secrets_for(endpoint.signing, brought)
            now = self.clock.now()
            until = now + timedelta(seconds=overlap_s) if overlap_s else None
            sealed = self._sealed(endpoint_id, made)
            if until is not None:
                sealed = _followed_by(sealed, self.registry.secret(endpoint_id), until, now)
            _check_count(sealed)
            await self.writes.write(record_of(sealed))
            return made, until

    def first(self, endpoint_id: str, made: NewSecrets) -> Outgoing:
        """The record of a new endpoint's secrets."""
        return record_of(self._sealed(endpoint_id, made))

    def after_change(self, endpoint: Endpoint) -> list[Outgoing]:
        """The secrets after a change of `signing`: an ed25519 key is added, or every one dropped; none if unchanged."""
        standing = self.registry.secret(endpoint.endpoint_id)
        if standing is None:
            return []
        kept = [
            (one, until)
            for one, until in _with_times(standing)
            if "v1a" in endpoint.signing or not self.sealer.open(one).startswith(PRIVATE_PREFIX)
        ]
        if "v1a" in endpoint.signing and self.public_key(endpoint.endpoint_id) is None:
            private = secrets_for(endpoint.signing, None).private
            kept.append((self.sealer.seal(private or ""), None))
        changed = _secret_of(endpoint.endpoint_id, kept)
        return [] if changed == standing else [record_of(changed)]

    def certified(self, endpoint: Endpoint, pem: str | None) -> Outgoing:
        """The record of an endpoint's client certificate; None takes it away. Raises Unfit."""
        if pem is None:
            return Outgoing(Topic.SUBSCRIPTION_STATE, key_of(endpoint.endpoint_id, "certificate"), None)
        if not endpoint.url.startswith("https:"):
            raise unfit("/client_certificate", "only an https endpoint can ask for it")
        read = read_certificate(pem, self.clock.now())
        return record_of(
            EndpointCertificate(
                endpoint_id=endpoint.endpoint_id,
                sealed=self.sealer.seal(read.pem),
                subject=read.subject,
                expires_at=read.expires_at,
                fingerprint=read.fingerprint,
            )
        )

    def headed(self, endpoint_id: str, headers: Mapping[str, str]) -> Outgoing:
        """The record of the headers that an owner gives its endpoint; none takes them away."""
        if not headers:
            return Outgoing(Topic.SUBSCRIPTION_STATE, key_of(endpoint_id, "headers"), None)
        sealed = self.sealer.seal(written_headers(headers))
        return record_of(EndpointHeaders(endpoint_id=endpoint_id, names=tuple(headers), sealed=sealed))

    def public_key(self, endpoint_id: str) -> str | None:
        """The newest public key of an endpoint that signs with ed25519."""
        sealed = self.registry.secret(endpoint_id)
        opened = (self.sealer.open(one) for one in (sealed.sealed if sealed else ()))
        private = next((one for one in opened if one.startswith(PRIVATE_PREFIX)), None)
        return public_of(private) if private else None

    def _sealed(self, endpoint_id: str, made: NewSecrets) -> EndpointSecret:
        return _secret_of(endpoint_id, [(self.sealer.seal(one), None) for one in made.all])


Kept = Endpoint | EndpointSecret | EndpointCertificate | EndpointHeaders
_PARTS: Final[Mapping[type[Kept], str]] = {
    Endpoint: "endpoint",
    EndpointSecret: "secret",
    EndpointCertificate: "certificate",
    EndpointHeaders: "headers",
}


def record_of(kept: Kept) -> Outgoing:
    """The record of one part of an endpoint, under that part of its key."""
    key = key_of(kept.endpoint_id, _PARTS[type(kept)])
    return Outgoing(Topic.SUBSCRIPTION_STATE, key, kept.model_dump_json().encode())


def _followed_by(new: EndpointSecret, old: EndpointSecret | None, until: datetime, now: datetime) -> EndpointSecret:
    """Put the secrets before behind the new ones; what retires earlier anyway still does, what has retired goes."""
    if old is None:
        return new
    kept = [(one, min(time, until) if time else until) for one, time in _with_times(old) if time is None or time > now]
    return _secret_of(new.endpoint_id, [*_with_times(new), *kept])


def _check_count(secret: EndpointSecret) -> None:
    if len(secret.sealed) > MOST_KEYS:
        first = min(time for time in secret.retire_at if time is not None)
        raise Conflict(
            f"a webhook bears {MOST_KEYS} signatures at most, and earlier secrets are still valid: the first retires "
            f"at {rfc3339(first)}; rotate then, or with overlap_s 0"
        )


def _with_times(secret: EndpointSecret) -> Iterator[tuple[str, datetime | None]]:
    """Each sealed secret with the time it retires at; records of old may have fewer times than secrets."""
    times = (*secret.retire_at, *(None,) * len(secret.sealed))
    return zip(secret.sealed, times, strict=False)


def _secret_of(endpoint_id: str, kept: list[tuple[str, datetime | None]]) -> EndpointSecret:
    return EndpointSecret(
        endpoint_id=endpoint_id,
        sealed=tuple(one for one, _ in kept),
        retire_at=tuple(until for _, until in kept),
    )
