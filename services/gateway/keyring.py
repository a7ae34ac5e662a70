"""Which API keys are there, and how are they given out and taken back?"""

import secrets
from dataclasses import dataclass

from services.gateway.own_writes import OwnWrites
from services.gateway.refusals import NotFound, unfit
from shared.domain.keys import Scope, hash_key, new_key
from shared.domain.state import Principal
from shared.platform.audit import Audit
from shared.platform.clock import Clock
from shared.platform.principals import PrincipalBook
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys as `principal.state` has them; a key's value exists only in the answer that made it."""

    book: PrincipalBook
    writes: OwnWrites
    audit: Audit
    clock: Clock
    profile: str

    async def issue(
        self, by: Principal, person: str, scopes: tuple[Scope, ...], subscriber: str | None, source: str, trust: str
    ) -> tuple[Principal, str]:
        """Make a key; return whose it is and its value. Raises Unfit, PublishError."""
        if "subscriber" in scopes and not subscriber:
            raise unfit("/subscriber", "a key with scope subscriber names its subscriber")
        value = new_key(self.profile)
        principal = Principal.model_validate(
            {
                "key_id": f"key_{secrets.token_hex(8)}",
                "hash": hash_key(value),
                "prefix": value[:13],
                "subscriber": subscriber,
                "person": person,
                "source": source,
                "trust": trust,
                "scopes": scopes,
                "created_at": self.clock.now(),
            }
        )
        await self.audit.enter(
            by.person, "key.issued", principal.key_id, person=person, scopes=list(scopes), subscriber=subscriber
        )
        key = key_of(principal.key_id, "key")
        await self.writes.write(Outgoing(Topic.PRINCIPAL_STATE, key, principal.model_dump_json().encode()))
        return principal, value

    async def revoke(self, by: Principal, key_id: str) -> None:
        """Take a key back, at once in this process and within moments in all. Raises NotFound, PublishError."""
        if not any(principal.key_id == key_id for principal in self.book.all()):
            raise NotFound("there is no such key")
        if key_id == "key_operator":
            raise unfit("", "this key is a setting, WIRE_OPERATOR_KEY; it cannot be revoked here")
        await self.audit.enter(by.person, "key.revoked", key_id)
        await self.writes.write(Outgoing(Topic.PRINCIPAL_STATE, key_of(key_id, "key"), None))
