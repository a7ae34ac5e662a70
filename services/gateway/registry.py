"""Which endpoints and subscriptions are there, and whose are they? `subscription.state` in memory, part by part."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from services.gateway.refusals import Changed, NotFound
from shared.domain.client_certificate import EndpointCertificate
from shared.domain.endpoint_headers import EndpointHeaders
from shared.domain.keys import has_scope
from shared.domain.products import Bounds, Products
from shared.domain.state import Principal
from shared.domain.subscription import Endpoint, EndpointSecret, Filter, Subscription
from shared.platform.logs import logger
from shared.platform.records import Record
from shared.platform.topics import parts_of

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Part(Generic[Model]):
    """One part of an entity and the offset of its record, which is its version."""

    value: Model
    offset: int

    @property
    def etag(self) -> str:
        return f'"{self.offset}"'

    def require(self, if_match: str | None) -> None:
        """Raise Changed unless the caller's `If-Match` (None or `*`: any) is this part's version."""
        if if_match is None or if_match.strip() == "*":
            return
        if self.etag not in [tag.strip().removeprefix("W/") for tag in if_match.split(",")]:
            raise Changed(f"it was changed since; its ETag is now {self.etag}")


class Registry:
    """Fed by a Tail of `subscription.state`; a part's newest record wins, a tombstone deletes it."""

    def __init__(self) -> None:
        self._endpoints: dict[str, Part[Endpoint]] = {}
        self._secrets: dict[str, Part[EndpointSecret]] = {}
        self._certificates: dict[str, Part[EndpointCertificate]] = {}
        self._headers: dict[str, Part[EndpointHeaders]] = {}
        self._subscriptions: dict[str, Part[Subscription]] = {}
        self._products: dict[str, Part[Products]] = {}
        self._bounds: dict[str, tuple[Filter, ...]] = {}

    def apply(self, record: Record) -> None:
        """Take one record; one that does not validate is logged, and the part before it stays."""
        entity, *rest = parts_of(record.key or "")
        part = rest[0] if rest else ""
        try:
            if part == "endpoint":
                _keep(self._endpoints, entity, record, Endpoint.model_validate_json)
            elif part == "secret":
                _keep(self._secrets, entity, record, EndpointSecret.model_validate_json)
            elif part == "certificate":
                _keep(self._certificates, entity, record, EndpointCertificate.model_validate_json)
            elif part == "headers":
                _keep(self._headers, entity, record, EndpointHeaders.model_validate_json)
            elif part == "subscription":
                _keep(self._subscriptions, entity, record, Subscription.model_validate_json)
            elif part == "products":
                self._keep_products(entity, record)
        except ValidationError as error:
            logger().error("registry.unreadable", entity=entity, part=part, error=type(error).__name__)

    def endpoint(self, by: Principal, endpoint_id: str) -> Part[Endpoint]:
        """Raises NotFound for an endpoint that is not there, or not this principal's."""
        part = self._endpoints.get(endpoint_id)
        if part is None or not owns(by, part.value.subscriber):
            raise NotFound("there is no such endpoint")
        return part

    def secret(self, endpoint_id: str) -> EndpointSecret | None:
        """The sealed secrets of an endpoint."""
        part = self._secrets.get(endpoint_id)
        return part.value if part else None

    def certificate(self, endpoint_id: str) -> EndpointCertificate | None:
        """The sealed client certificate of an endpoint."""
        part = self._certificates.get(endpoint_id)
        return part.value if part else None

    def headers(self, endpoint_id: str) -> EndpointHeaders | None:
        """The sealed headers of an endpoint."""
        part = self._headers.get(endpoint_id)
        return part.value if part else None

    def header_names(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The names of its own headers, wherever these lie."""
        sealed = self.headers(endpoint.endpoint_id)
        return sealed.names if sealed else tuple(endpoint.headers)

    def find(self, endpoint_id: str) -> Endpoint | None:
        """An endpoint, whosever it is."""
        part = self._endpoints.get(endpoint_id)
        return part.value if part else None

    def sealed_after(self, after: str, at_most: int) -> list[str]:
        """The endpoints with something sealed, or to be sealed, behind the id `after`, in the order of their ids."""
        return heapq.nsmallest(at_most, (each for each in self._sealed() if each > after))

    def sealed_count(self) -> int:
        """How many endpoints these are."""
        return len(self._sealed())

    def _sealed(self) -> set[str]:
        plain = {each for each, part in self._endpoints.items() if part.value.headers}
        return self._secrets.keys() | self._certificates.keys() | self._headers.keys() | plain

    def subscription(self, by: Principal, subscription_id: str) -> Part[Subscription]:
        """Raises NotFound for a subscription that is not there, or not this principal's."""
        part = self._subscriptions.get(subscription_id)
        if part is None or not owns(by, part.value.subscriber):
            raise NotFound("there is no such subscription")
        return part

    def products(self, by: Principal, subscriber: str) -> Part[Products]:
        """Raises NotFound where none are set, so that it may have everything, and for somebody else's."""
        part = self._products.get(subscriber) if owns(by, subscriber) else None
        if part is None:
            raise NotFound("no products are set for this subscriber")
        return part

    def products_of(self, subscriber: str) -> Products | None:
        """The products of a subscriber, whoever asks; None where it may have everything."""
        part = self._products.get(subscriber)
        return part.value if part else None

    def bounds(self, subscriber: str) -> Bounds:
        """The filters of its products; the same object until its record changes."""
        return self._bounds.get(subscriber)

    def endpoints(self, by: Principal) -> list[Part[Endpoint]]:
        """Those the principal may see, oldest first."""
        mine = (part for part in self._endpoints.values() if owns(by, part.value.subscriber))
        return sorted(mine, key=lambda part: part.value.created_at)

    def subscriptions(self, by: Principal) -> list[Part[Subscription]]:
        """Those the principal may see, oldest first."""
        mine = (part for part in self._subscriptions.values() if owns(by, part.value.subscriber))
        return sorted(mine, key=lambda part: part.value.created_at)

    def served_by(self, endpoint_id: str) -> Iterator[Subscription]:
        """The subscriptions that go to an endpoint."""
        return (part.value for part in self._subscriptions.values() if part.value.endpoint_id == endpoint_id)

    def _keep_products(self, subscriber: str, record: Record) -> None:
        _keep(self._products, subscriber, record, Products.model_validate_json)
        if part := self._products.get(subscriber):
            self._bounds[subscriber] = part.value.bounds()
        else:
            self._bounds.pop(subscriber, None)


def owns(by: Principal, subscriber: str) -> bool:
    """Tell whether something of `subscriber` is this principal's to see; an operator sees all."""
    return has_scope(by, "operator") or (by.subscriber is not None and by.subscriber == subscriber)


def _keep(into: dict[str, Part[Model]], entity: str, record: Record, read: Callable[[bytes], Model]) -> None:
    if record.value is None:
        into.pop(entity, None)
    else:
        into[entity] = Part(read(record.value), record.offset)
