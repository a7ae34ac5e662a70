"""What is the event stream's own on the wire?"""

import httpx2

from tests.services.gateway.stream.listening import gateway
from tests.services.gateway.stream.releases import released


async def test_the_head_keeps_proxies_and_caches_from_holding_events_back() -> None:
    """What EventSource, nginx and caches need to see."""
    async with gateway() as running:
        client = await running.listen()
        assert client.status == 200
        assert client.headers["content-type"] == "text/event-stream"
        assert client.headers["cache-control"] == "no-store"
        assert client.headers["x-accel-buffering"] == "no"
        assert client.headers["connection"] == "close"
        assert "content-length" not in client.headers
        assert "transfer-encoding" not in client.headers


async def test_an_event_source_client_reads_the_stream() -> None:
    """An SSE parser that is not ours understands ids, names and data, and a UTF-8 body."""
    async with gateway() as running, httpx2.AsyncClient() as http:
        url = f"http://127.0.0.1:{running.port}/v1/stream"
        async with http.sse(url, headers={"authorization": "Bearer k"}) as source:
            events = aiter(source)
            hello = await anext(events)
            running.log.append(released(headline="Нато"))
            story = await anext(events)
    assert (hello.event, hello.id) == ("hello", "e1-0-0")
    assert hello.retry is not None
    assert (story.event, story.id) == ("story", "e1-0-1")
    item = story.json()
    assert isinstance(item, dict)
    assert item["story"]["headlines"] == [{"value": "Нато"}]


async def test_http_1_0_behind_an_old_proxy_gets_the_same_bytes() -> None:
    """The body ends with the connection, so no version needs another form."""
    async with gateway() as running:
        client = await running.listen(version="1.0")
        assert client.status == 200
        running.log.append(released())
        assert [event.event for event in await client.take(2)] == ["hello", "story"]
