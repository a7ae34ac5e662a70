"""The one log line of a try: enough to follow a delivery by, and nothing that is somebody's secret."""

import asyncio
import json

import pytest

from shared.platform.logs import configure_logs
from tests.services.distribution.deliveries import STORY, block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench


@pytest.mark.usefixtures("logs_as_before")
async def test_a_try_is_one_line_with_ids_and_where_the_time_went(capsys: pytest.CaptureFixture[str]) -> None:
    """No URL, no header, no body, no answer: those who read logs are not those who own endpoints."""
    bench = Bench()
    bench.know(endpoint("ep_1"), subscription())
    configure_logs("distribution", "json", "info")
    await bench.deliverer.handle(block_record(item(), "ep_1"))
    await bench.work()
    await asyncio.sleep(0)  # lines of one turn of the loop are written at its end
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [one for one in lines if one["event"] == "delivery.attempted"]
    assert line.pop("delivery_id").startswith("dlv_")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "delivery.attempted",
        "level": "info",
        "logger": "slugline",
        "service": "distribution",
        "endpoint_id": "ep_1",
        "story_id": STORY,
        "release_no": 1,
        "n": 1,
        "state": "delivered",
        "outcome": "200",
        "status": 200,
        "ms": {"total": 1.0},
    }
