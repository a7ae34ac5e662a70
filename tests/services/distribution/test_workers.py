"""What the workers tell the queues of an endpoint."""

import asyncio

from services.distribution.outcome import Refused
from services.distribution.queues import FairQueues
from services.distribution.workers import Workers
from shared.domain.story import Kind
from tests.services.distribution.deliveries import block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench
from tests.waiting import wait_until


async def test_a_failing_endpoint_does_not_come_off_probation_by_what_is_not_sent() -> None:
    """One 500, then one superseded delivery: of the next two only one may be in flight."""
    bench = Bench(queues=FairQueues(4, probation=0.25))
    bench.know(endpoint("ep_1"), subscription())
    bench.standings.move(item(2, Kind.UPDATE))
    bench.wire.answers = [Refused(500)]
    workers, stop = Workers(bench.queues, 1), asyncio.Event()
    running = asyncio.create_task(workers.run(bench.dispatch, stop))
    await bench.deliverer.handle(block_record(item(1, story_id="urn:failing"), "ep_1"))
    await bench.deliverer.handle(block_record(item(1), "ep_1"))
    workers.wake()
    await wait_until(lambda: len(bench.log.rows()) == 2 and not bench.queues.in_flight, within=5)
    stop.set()
    await running
    assert [row.data.state for row in bench.log.rows()] == ["retrying", "superseded"]
    for story_id in ("urn:1", "urn:2"):
        await bench.deliverer.handle(block_record(item(1, story_id=story_id), "ep_1"))
    assert bench.queues.take() is not None
    assert bench.queues.take() is None
