"""What the workers tell the queues of an endpoint."""

import asyncio
from typing import Any

from services.distribution.outcome import Refused
from services.distribution.queues import FairQueues
from services.distribution.workers import Workers
from shared.domain.story import Kind
from shared.domain.subscription import Ordering
from shared.platform.publishing import Appended
from tests.services.distribution.deliveries import block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench, Log
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


async def test_an_endpoint_does_not_pay_for_a_slow_broker() -> None:
    """While the row of an answer is on its way the slot is free for the next story, and only that story waits."""
    confirmed = asyncio.Event()

    class SlowLog(Log):
        async def publish(self, *record: Any, **place: Any) -> Appended:
            await confirmed.wait()
            return await Log.publish(self, *record, **place)

    bench = Bench(log=SlowLog(), queues=FairQueues(2, probation=1.0))
    bench.know(endpoint("ep_1"), subscription(ordering=Ordering.EVERY))
    for of in (item(1), item(2, Kind.UPDATE), item(1, story_id="urn:another")):
        await bench.deliverer.handle(block_record(of, "ep_1"))
    workers, stop = Workers(bench.queues, 2), asyncio.Event()
    running = asyncio.create_task(workers.run(bench.dispatch, stop))
    await wait_until(lambda: len(bench.wire.sent) == 2, within=5)
    assert (len(bench.queues), bench.queues.in_flight, bench.log.rows()) == (1, 0, [])
    confirmed.set()
    await wait_until(lambda: len(bench.log.rows()) == 3, within=5)
    stop.set()
    await running
    assert [row.release_no for row in bench.log.rows() if row.story_id == item().story_id] == [1, 2]
