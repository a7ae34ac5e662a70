"""The headers that an endpoint's owner gives it are on every webhook, whether their record is sealed or of old."""

from typing import Any

from services.distribution.registry import Registry
from shared.domain.endpoint_headers import EndpointHeaders, written_headers
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import block_record, endpoint, item, record
from tests.services.distribution.ledger import Bench


def left(registry: Registry, headers: dict[str, str] | None) -> None:
    """What the gateway writes of them; this bench's registry opens what was never sealed."""
    kept = headers and EndpointHeaders(endpoint_id="ep_1", names=tuple(headers), sealed=written_headers(headers))
    value = kept.model_dump_json().encode() if kept else None
    registry.apply(record(Topic.SUBSCRIPTION_STATE, value, key=key_of("ep_1", "headers")))


async def sent_with(bench: Bench, **fields: Any) -> str | None:
    """Which team one more webhook is for."""
    bench.know(endpoint("ep_1", **fields))
    offset = len(bench.wire.sent)
    await bench.deliverer.handle(block_record(item(story_id=f"urn:{offset}"), "ep_1", offset=offset))
    await bench.work()
    return dict(bench.wire.sent[-1].headers).get("x-team")


async def test_sealed_headers_take_the_place_of_plain_ones() -> None:
    """Records of old go on as they are; once sealed the new ones count, and taken away they are gone."""
    bench = Bench()
    assert await sent_with(bench, headers={"x-team": "old"}) == "old"
    left(bench.registry, {"x-team": "sealed"})
    assert await sent_with(bench, headers={"x-team": "old"}) == "sealed"
    assert await sent_with(bench, headers={}) == "sealed"
    left(bench.registry, None)
    assert await sent_with(bench, headers={}) is None


async def test_headers_that_cannot_be_read_leave_those_before() -> None:
    """A poisoned record takes nobody's credentials off its webhooks."""
    bench = Bench()
    left(bench.registry, {"x-team": "desk"})
    poisoned = EndpointHeaders(endpoint_id="ep_1", names=("x-team",), sealed="no JSON")
    value = poisoned.model_dump_json().encode()
    bench.registry.apply(record(Topic.SUBSCRIPTION_STATE, value, key=key_of("ep_1", "headers")))
    assert await sent_with(bench) == "desk"
