"""Is everything sealed, and with the newest key? Page by page, so that an old sealing key can be dropped."""

import asyncio
from dataclasses import dataclass

from services.gateway.keychain import Keychain, record_of
from shared.domain.errors import Misconfigured
from shared.domain.state import Principal
from shared.platform.audit import Audit
from shared.platform.publishing import Outgoing


@dataclass(frozen=True, slots=True)
class Resealed:
    """What became of one page: endpoints in all, looked at, written anew; those no key opens; where to go on."""

    total: int
    examined: int
    resealed: int
    unreadable: tuple[str, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Resealing:
    """Writes secrets, certificates and headers anew under the newest key. What is under it already is left as it is.

    Headers from before they were sealed are, too.
    """

    keychain: Keychain
    audit: Audit

    async def page(self, by: Principal, after: str, at_most: int) -> Resealed:
        """Look at `at_most` endpoints behind the id `after`. May be repeated. Raises PublishError: then repeat."""
        registry = self.keychain.registry
        ids = registry.sealed_after(after, at_most)
        looked = {each: self._anew(each) for each in ids}
        due = [each for each, records in looked.items() if records]
        if due:
            await self.audit.enter(by.person, "secrets.resealed", "secrets", endpoints=len(due), first=due[0])
        written = await asyncio.gather(*map(self._write, due))
        return Resealed(
            total=registry.sealed_count(),
            examined=len(ids),
            resealed=sum(written),
            unreadable=tuple(each for each, records in looked.items() if records is None),
            next=ids[-1] if len(ids) == at_most else None,
        )

    async def _write(self, endpoint_id: str) -> int:
        """Look again in the endpoint's turn, and write: it may have been rotated, or deleted, since."""
        async with self.keychain.turns.of(endpoint_id):
            records = self._anew(endpoint_id) or []
            await self.keychain.writes.write(*records)
            return len(records)

    def _anew(self, endpoint_id: str) -> list[Outgoing] | None:
        """The endpoint's records under the newest key; none where they are already, None where no key opens them."""
        sealer, registry = self.keychain.sealer, self.keychain.registry
        secret, certificate = registry.secret(endpoint_id), registry.certificate(endpoint_id)
        headers, endpoint = registry.headers(endpoint_id), registry.find(endpoint_id)
        records = []
        try:
            if secret is not None and not all(map(sealer.is_newest, secret.sealed)):
                sealed = tuple(sealer.reseal(one) for one in secret.sealed)
                records.append(record_of(secret.model_copy(update={"sealed": sealed})))
            if certificate is not None and not sealer.is_newest(certificate.sealed):
                sealed_pem = sealer.reseal(certificate.sealed)
                records.append(record_of(certificate.model_copy(update={"sealed": sealed_pem})))
            if headers is not None and not sealer.is_newest(headers.sealed):
                records.append(record_of(headers.model_copy(update={"sealed": sealer.reseal(headers.sealed)})))
        except Misconfigured:
            return None
        if endpoint is not None and endpoint.headers:
            sealed_now = [] if headers is not None else [self.keychain.headed(endpoint_id, endpoint.headers)]
            records += [*sealed_now, record_of(endpoint.model_copy(update={"headers": {}}))]
        return records
