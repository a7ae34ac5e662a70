"""What a met challenge may change, and what its owner did meanwhile that stays."""

import asyncio

from services.distribution.challenge import Challenger
from shared.domain.subscription import Endpoint, EndpointState
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import endpoint
from tests.services.distribution.ledger import Bench
from tests.waiting import wait_until

PENDING = endpoint("ep_1", state=EndpointState.PENDING, challenge="are-you-there")


async def challenged(bench: Bench) -> list[Endpoint]:
    """Let the owner of all shards ask once, and return what it wrote of the endpoint."""
    bench.wire.excerpt = "are-you-there"
    bench.know(PENDING)
    challenger = Challenger(bench.registry, bench.log, bench.wire, bench.clock, bench.shard_of)
    await challenger.gained(frozenset(range(6)))
    stop = asyncio.Event()
    running = asyncio.create_task(challenger.run(stop))
    await wait_until(lambda: bench.wire.sent, within=5)
    stop.set()
    await running
    written = [one.value for one in bench.log.on(Topic.SUBSCRIPTION_STATE)]
    return [Endpoint.model_validate_json(value or b"") for value in written]


async def test_a_met_challenge_makes_the_endpoint_active() -> None:
    """The answer gives the challenge back: from then on it is sent what it is owed."""
    assert [each.state for each in await challenged(Bench())] == [EndpointState.ACTIVE]


async def test_a_met_challenge_does_not_bring_back_an_endpoint_deleted_meanwhile() -> None:
    """The answer took seconds; the owner's DELETE in between stands."""
    bench = Bench()
    bench.wire.before = lambda: bench.delete("ep_1")
    assert await challenged(bench) == []


async def test_a_met_challenge_does_not_prove_an_address_given_meanwhile() -> None:
    """Another URL has a challenge of its own, which nobody has met yet."""
    bench = Bench()
    moved = PENDING.model_copy(update={"url": "http://127.0.0.1:10/", "challenge": "and-you"})
    bench.wire.before = lambda: bench.know(moved)
    assert await challenged(bench) == []


async def test_a_met_challenge_keeps_what_the_owner_changed_meanwhile() -> None:
    """Only the state becomes another one."""
    bench = Bench()
    bench.wire.before = lambda: bench.know(PENDING.model_copy(update={"description": "changed"}))
    assert [each.description for each in await challenged(bench)] == ["changed"]
