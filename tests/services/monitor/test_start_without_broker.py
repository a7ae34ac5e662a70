"""Monitor is there before the broker is: it knows one key then, and says so of the others."""

from tests.platform.cluster import settings
from tests.services.monitor.wire import running


async def test_a_key_is_not_called_wrong_before_the_keys_are_read(topic_prefix: str) -> None:
    """A key that is answered 401 is given up; at 503 it is tried again. The first operator has one from the start."""
    async with running(settings("127.0.0.1:1", topic_prefix), ready=False) as client:
        unknown = await client.get("/v1/ops/dead", headers={"authorization": "Bearer of-somebody"})
        own = await client.get("/v1/ops/dead")
    assert (unknown.status_code, own.status_code) == (503, 200)
    assert int(unknown.headers["retry-after"]) > 0
