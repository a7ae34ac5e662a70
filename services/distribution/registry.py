"""Who is to be told, and how: endpoints, secrets and subscriptions as `subscription.state` has them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared.domain.client_certificate import EndpointCertificate
from shared.domain.endpoint_headers import EndpointHeaders, read_headers
from shared.domain.errors import WireError
from shared.domain.facts import Facts
from shared.domain.filter_index import FilterIndex
from shared.domain.products import Bounds, Products
from shared.domain.story import Lane
from shared.domain.subscription import Endpoint, EndpointSecret, Filter, Ordering, Subscription, Text
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.signature import HmacKey, SigningKey, parse_private_key, parse_secret
from shared.platform.topics import parts_of

Changed = Callable[[Endpoint], None]
Model = TypeVar("Model", bound=BaseModel)
Pairs = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Registry:
    """In memory, fed by a Tail of `subscription.state`; the newest record of each part wins."""

    unseal: Callable[[str], str]
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    _secrets: dict[str, tuple[tuple[SigningKey, datetime | None], ...]] = field(default_factory=dict)
    _certificates: dict[str, bytes] = field(default_factory=dict, repr=False)
    _headers: dict[str, Pairs] = field(default_factory=dict, repr=False)
    _by_endpoint: dict[str, set[str]] = field(default_factory=dict)
    _by_subscriber: dict[str, set[str]] = field(default_factory=dict)
    _filters: FilterIndex = field(default_factory=FilterIndex)
    """Of every subscription that names an endpoint."""
    _bounds: dict[str, tuple[Filter, ...]] = field(default_factory=dict)
    """Of the subscribers that have products; the others may have everything."""
    _wanting_every: set[str] = field(default_factory=set)
    watchers: list[Changed] = field(default_factory=list)

    def apply(self, record: Record) -> None:
        """Take one record; what does not validate is logged, left out, and the part before it stays."""
        entity, *rest = parts_of(record.key or "")
        part = rest[0] if rest else ""
        try:
            self._take(entity, part, record.value)
        except (ValidationError, WireError) as error:
            logger().error(
                "registry.unreadable", entity=entity, part=part, offset=record.offset, error=type(error).__name__
            )

    def ordering_of(self, endpoint_id: str) -> Ordering:
        """`every` when any subscription of the endpoint asks for it."""
        return Ordering.EVERY if endpoint_id in self._wanting_every else Ordering.LATEST

    def keys_of(self, endpoint_id: str, now: datetime) -> list[SigningKey]:
        """Return the signing keys in force, newest first; empty when the secret has not arrived yet."""
        return [key for key, retire_at in self._secrets.get(endpoint_id, ()) if retire_at is None or retire_at > now]

    def wanting(self, facts: Facts, text: Text | None, lane: Lane, offset: int) -> frozenset[str]:
        """The endpoints that have a subscription whose filter wants a release, and that began at or before it."""
        found = (self.subscriptions[each] for each in self._filters.matching(facts, text))
        return frozenset(
            each.endpoint_id
            for each in found
            if each.endpoint_id in self.endpoints and offset >= each.start.get(lane, 0)
        )

    def bounds_of(self, endpoint_id: str) -> Bounds:
        """What an endpoint may have at all: the products of its subscriber."""
        endpoint = self.endpoints.get(endpoint_id)
        return None if endpoint is None else self._bounds.get(endpoint.subscriber)

    @property
    def has_bounds(self) -> bool:
        """Whether anybody has products."""
        return bool(self._bounds)

    def endpoints_of(self, subscriber: str) -> list[Endpoint]:
        """All endpoints of one subscriber."""
        return [self.endpoints[each] for each in self._by_subscriber.get(subscriber, ())]

    def certificate_of(self, endpoint_id: str) -> bytes | None:
        """Return what is shown to a receiver that asks who calls: PEM with chain and key; None for nothing."""
        return self._certificates.get(endpoint_id)

    def headers_of(self, endpoint: Endpoint) -> Pairs:
        """Return the headers that its owner gave it: sealed, or as records of old have them."""
        return self._headers.get(endpoint.endpoint_id) or tuple(endpoint.headers.items())

    def _take(self, entity: str, part: str, value: bytes | None) -> None:
        match part:
            case "endpoint":
                self._take_endpoint(entity, _parsed(Endpoint, value))
            case "secret":
                self._take_secret(entity, _parsed(EndpointSecret, value))
            case "certificate":
                self._take_certificate(entity, _parsed(EndpointCertificate, value))
            case "headers":
                self._take_headers(entity, _parsed(EndpointHeaders, value))
            case "subscription":
                self._take_subscription(entity, _parsed(Subscription, value))
            case "products":
                self._take_products(entity, _parsed(Products, value))

    def _take_endpoint(self, entity: str, endpoint: Endpoint | None) -> None:
        before = self.endpoints.pop(entity, None)
        if before is not None:
            self._by_subscriber[before.subscriber].discard(entity)
        if endpoint is None:
            return
        self.endpoints[entity] = endpoint
        self._by_subscriber.setdefault(endpoint.subscriber, set()).add(entity)
        for told in self.watchers:
            told(endpoint)

    def _take_secret(self, entity: str, secret: EndpointSecret | None) -> None:
        if secret is None:
            self._secrets.pop(entity, None)
            return
        retire_at = (*secret.retire_at, *(None,) * len(secret.sealed))
        self._secrets[entity] = tuple(
            (_key(self.unseal(sealed)), until) for sealed, until in zip(secret.sealed, retire_at, strict=False)
        )

    def _take_certificate(self, entity: str, kept: EndpointCertificate | None) -> None:
        if kept is None:
            self._certificates.pop(entity, None)
        else:
            self._certificates[entity] = self.unseal(kept.sealed).encode()

    def _take_headers(self, entity: str, kept: EndpointHeaders | None) -> None:
        if kept is None:
            self._headers.pop(entity, None)
        else:
            self._headers[entity] = tuple(read_headers(self.unseal(kept.sealed)).items())

    def _take_subscription(self, entity: str, subscription: Subscription | None) -> None:
        before = self.subscriptions.pop(entity, None)
        if before and before.endpoint_id:
            self._by_endpoint.get(before.endpoint_id, set()).discard(entity)
            self._note_ordering(before.endpoint_id)
        if subscription is None or not subscription.endpoint_id:
            self._filters.drop(entity)
        else:
            self._by_endpoint.setdefault(subscription.endpoint_id, set()).add(entity)
            self._filters.put(entity, subscription.filter)
        if subscription is not None:
            self.subscriptions[entity] = subscription
            if subscription.endpoint_id:
                self._note_ordering(subscription.endpoint_id)

    def _take_products(self, subscriber: str, products: Products | None) -> None:
        if products is None:
            self._bounds.pop(subscriber, None)
        else:
            self._bounds[subscriber] = products.bounds()

    def _note_ordering(self, endpoint_id: str) -> None:
        """Asked about for every delivery, several times; told of now and then."""
        wanted = {self.subscriptions[each].ordering for each in self._by_endpoint.get(endpoint_id, ())}
        if Ordering.EVERY in wanted:
            self._wanting_every.add(endpoint_id)
        else:
            self._wanting_every.discard(endpoint_id)


def _key(text: str) -> SigningKey:
    return parse_private_key(text) if text.startswith("whsk_") else parse_secret(text)


def has_shared_secret(keys: list[SigningKey]) -> bool:
    """Tell whether a `v1` signature can be made: the one every verifier understands."""
    return any(isinstance(key, HmacKey) for key in keys)


def _parsed(model: type[Model], value: bytes | None) -> Model | None:
    return None if value is None else model.model_validate_json(value)
