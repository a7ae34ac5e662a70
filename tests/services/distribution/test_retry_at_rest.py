"""Does a restart of distribution wait for a retry that is not due yet?"""

from services.distribution.outcome import Unreachable
from tests.services.distribution.deliveries import block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench


async def test_a_retry_rests_until_it_is_due() -> None:
    """Held for its tier it delays no stop; queued it is work like any other, until it is done."""
    bench = Bench()
    bench.know(endpoint("ep_1"), subscription())
    bench.wire.answers = [Unreachable("connect")]
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    [(_, retry)] = bench.log.retries()
    passing = await bench.deliverer.handle(retry)
    assert passing is not None
    held = passing.at_rest
    await bench.fall_due(20)
    assert (held, passing.at_rest, passing.done()) == (True, False, True)
