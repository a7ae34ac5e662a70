"""The one log line of a try: enough to follow a delivery by, and nothing that is somebody's secret."""

import structlog

from tests.services.distribution.deliveries import STORY, block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench


async def test_a_try_is_one_line_with_ids_and_where_the_time_went() -> None:
    """No URL, no header, no body, no answer: those who read logs are not those who own endpoints."""
    bench = Bench()
    bench.know(endpoint("ep_1"), subscription())
    with structlog.testing.capture_logs() as lines:
        await bench.deliverer.handle(block_record(item(), "ep_1"))
        await bench.work()
    [line] = [one for one in lines if one["event"] == "delivery.attempted"]
    assert line.pop("delivery_id").startswith("dlv_")
    assert line == {
        "event": "delivery.attempted",
        "log_level": "info",
        "endpoint_id": "ep_1",
        "story_id": STORY,
        "release_no": 1,
        "n": 1,
        "state": "delivered",
        "outcome": "200",
        "status": 200,
        "ms": {"total": 1.0},
    }
