"""How does an operator set what a subscriber may have at all? Products: set as a whole, read, and taken away."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.gateway.own_writes import OwnWrites
from services.gateway.refusals import Changed, NotFound
from services.gateway.registry import Part, Registry
from services.gateway.turns import Turns
from shared.domain.products import Product, Products
from shared.domain.state import Principal
from shared.platform.audit import Audit
from shared.platform.publishing import Outgoing
from shared.platform.topics import Topic, key_of

PART = "products"


@dataclass(frozen=True, slots=True)
class Entitlements:
    """Writes the part `products` of subscribers; what is entered in the audit names products, not their filters."""

    registry: Registry
    writes: OwnWrites
    audit: Audit
    turns: Turns = field(default_factory=Turns)

    async def put(
        self, by: Principal, subscriber: str, if_match: str | None, products: Sequence[Product]
    ) -> Part[Products]:
        """From now on these, and no others: none at all means nothing. Raises Changed, PublishError."""
        made = Products(subscriber=subscriber, products=tuple(products))
        async with self.turns.of(subscriber):
            self._require(by, subscriber, if_match)
            names = [each.name for each in products]
            await self.audit.enter(by.person, "products.set", subscriber, products=names)
            await self._write(subscriber, made.model_dump_json(by_alias=True).encode())
            return self.registry.products(by, subscriber)

    async def delete(self, by: Principal, subscriber: str, if_match: str | None) -> None:
        """From now on it may have everything. Raises NotFound, Changed, PublishError."""
        async with self.turns.of(subscriber):
            self.registry.products(by, subscriber).require(if_match)
            await self.audit.enter(by.person, "products.deleted", subscriber)
            await self._write(subscriber, None)

    def _require(self, by: Principal, subscriber: str, if_match: str | None) -> None:
        try:
            self.registry.products(by, subscriber).require(if_match)
        except NotFound:
            if if_match is not None:
                raise Changed("there are no products that it could be based on") from None

    async def _write(self, subscriber: str, value: bytes | None) -> None:
        await self.writes.write(Outgoing(Topic.SUBSCRIPTION_STATE, key_of(subscriber, PART), value))
