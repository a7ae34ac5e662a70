"""The certificate that an endpoint's owner has left is shown with its challenge and with every delivery."""

import asyncio

from services.distribution.challenge import Challenger
from shared.domain.client_certificate import EndpointCertificate
from shared.domain.subscription import EndpointState
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import NOON, block_record, endpoint, item, record
from tests.services.distribution.ledger import Bench
from tests.waiting import wait_until

PEM = "certificate, chain and key"


def left(bench: Bench, sealed: str | None = PEM) -> None:
    """What the gateway writes of a certificate, or of one that is gone."""
    kept = sealed and EndpointCertificate(
        endpoint_id="ep_1", sealed=sealed, subject="CN=us", expires_at=NOON, fingerprint="ab"
    )
    value = kept.model_dump_json().encode() if kept else None
    bench.registry.apply(record(Topic.SUBSCRIPTION_STATE, value, key=key_of("ep_1", "certificate")))


async def test_a_delivery_shows_the_certificate_that_stands_now() -> None:
    """Each is asked for at its turn: a new one counts at once, and none once it is gone."""
    bench = Bench()
    bench.know(endpoint("ep_1"))
    for number, sealed in enumerate((PEM, "a newer one", None)):
        left(bench, sealed)
        await bench.deliverer.handle(block_record(item(story_id=f"urn:{number}"), "ep_1", offset=number))
        await bench.work()
    assert [one.client_certificate for one in bench.wire.sent] == [PEM.encode(), b"a newer one", None]


async def test_a_challenge_shows_it_too() -> None:
    """A receiver that lets in nobody without one could never be proven otherwise."""
    bench = Bench()
    left(bench)
    bench.know(endpoint("ep_1", state=EndpointState.PENDING, challenge="are-you-there"))
    challenger = Challenger(bench.registry, bench.log, bench.wire, bench.clock, bench.shard_of)
    await challenger.gained(frozenset(range(6)))
    stop = asyncio.Event()
    running = asyncio.create_task(challenger.run(stop))
    await wait_until(lambda: bench.wire.sent, within=5)
    stop.set()
    await running
    assert bench.wire.sent[0].client_certificate == PEM.encode()


async def test_a_certificate_that_cannot_be_read_leaves_the_one_before() -> None:
    """A poisoned record takes nobody's way in."""
    bench = Bench()
    bench.know(endpoint("ep_1"))
    left(bench)
    bench.registry.apply(record(Topic.SUBSCRIPTION_STATE, b"{}", key=key_of("ep_1", "certificate")))
    assert bench.registry.certificate_of("ep_1") == PEM.encode()
