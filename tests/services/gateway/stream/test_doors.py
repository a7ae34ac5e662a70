"""One port, two worlds: does everything but a stream reach the application as ever, and what of bad manners?"""

import asyncio

import httpx2
import pytest

from services.gateway.stream.ports import Grant, HeaderView, Problem
from services.gateway.stream.protocol import MOST_HEAD
from tests.services.gateway.stream.channels import Channel, each
from tests.services.gateway.stream.listening import Gateway, Listener, gateway
from tests.services.gateway.stream.releases import released
from tests.waiting import wait_until

STREAM = b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n"
REST = b"GET /v1/stories HTTP/1.1\r\nHost: x\r\n\r\n"


async def still_serves(running: Gateway) -> bool:
    """A new client gets its hello, and a request its answer."""
    client = await running.listen()
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{running.port}/livez")
    return (await client.next()).event == "hello" and answer.status_code == 200


async def send(running: Gateway, *parts: bytes) -> Listener:
    """Send raw bytes, each part in a packet of its own."""
    client = await running.connect()
    for part in parts:
        client.writer.write(part)
        await client.writer.drain()
    return client


async def answer_of(client: Listener) -> str:
    """Read one JSON answer of the application: the path it was asked for."""
    await client.head()
    body = await client.reader.readexactly(int(client.headers["content-length"]))
    return httpx2.Response(client.status, content=body).json()["path"]  # type: ignore[no-any-return]


async def test_a_keep_alive_connection_asks_first_and_listens_later() -> None:
    """REST, REST, then the stream, on one connection."""
    async with gateway() as running:
        client = await running.connect()
        for _ in range(2):
            client.writer.write(REST)
            assert await answer_of(client) == "/v1/stories"
        client.writer.write(STREAM)
        await client.head()
        assert (await client.next()).event == "hello"
        running.log.append(released())
        assert (await client.next()).event == "story"


async def test_a_pipelined_stream_waits_for_the_answers_before_it() -> None:
    """Two requests and a stream in one packet: three answers in order, and what follows is not read."""
    async with gateway() as running:
        client = await send(running, REST + REST + STREAM + REST)
        assert await answer_of(client) == "/v1/stories"
        assert await answer_of(client) == "/v1/stories"
        await client.head()
        assert client.headers["content-type"] == "text/event-stream"
        assert (await client.next()).event == "hello"


async def test_a_head_may_come_in_any_pieces() -> None:
    """One byte at a time is slow, and a stream all the same."""
    async with gateway() as running:
        client = await send(running, *(bytes([byte]) for byte in STREAM))
        await client.head()
        assert (await client.next()).event == "hello"


async def test_a_body_of_the_application_passes_untouched() -> None:
    """Also one that looks like a request for the stream."""
    async with gateway() as running, httpx2.AsyncClient() as http:
        answer = await http.post(f"http://127.0.0.1:{running.port}/v1/intake", content=STREAM)
        assert answer.json() == {"path": "/v1/intake", "method": "POST", "body": STREAM.decode()}


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/stream/", "/v1/stream-tickets", "/x/v1/stream"])
async def test_neighbouring_paths_are_the_applications(path: str) -> None:
    """Only the very path is a stream."""
    async with gateway() as running, httpx2.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{running.port}{path}")).json()["path"] == path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_a_stream_is_read_with_get(method: str) -> None:
    """405 with Allow as problem+json, and the connection lives on."""
    async with gateway() as running, httpx2.AsyncClient() as http:
        url = f"http://127.0.0.1:{running.port}"
        answer = await http.request(method, f"{url}/v1/stream", headers={"authorization": "Bearer k"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        assert answer.headers["content-type"] == "application/problem+json"
        assert method == "HEAD" or answer.json()["status"] == 405
        assert (await http.get(f"{url}/livez")).status_code == 200


@each
async def test_without_a_key_there_is_no_stream(channel: Channel) -> None:
    """The judge's own problem is the answer, headers included."""
    async with gateway() as running:
        answer = await channel.ask(running, head="")
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await answer.problem())["title"] == "Who are you?"


@each
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("colour=red", "colour"),
        ("not.colour=red", "not.colour"),
        ("urgency_max=9", "urgency_max"),
        ("lanes=fast", "lanes"),
        ("keywords=%22%22", "keywords"),
        ("cursor=yesterday", "cursor"),
        ("since=2026-11-23T12:00:00", "since"),
        ("since=soon", "since"),
    ],
)
async def test_a_parameter_that_cannot_mean_anything_is_named(query: str, parameter: str, channel: Channel) -> None:
    """422 with the parameter and the reason."""
    async with gateway() as running:
        client = await channel.ask(running, query)
        assert client.status == 422
        errors = (await client.problem())["errors"]
        assert [error["parameter"] for error in errors] == [parameter]


@each
@pytest.mark.parametrize("query", ["keywords=%ff", "&".join(["sections=a"] * 300)])
async def test_a_query_that_cannot_be_read_is_refused(query: str, channel: Channel) -> None:
    """Bytes that are no text, and more than anybody needs."""
    async with gateway() as running:
        assert (await channel.ask(running, query)).status == 400


async def test_a_judge_that_fails_costs_one_request_only() -> None:
    """500 for this client; the process and all others go on."""

    def authorize(view: HeaderView) -> Grant | Problem:
        if view.param("subscription"):
            raise RuntimeError("registry on fire")
        return Grant("me")

    async with gateway(authorize=authorize) as running:
        assert (await running.listen("subscription=s")).status == 500
        assert await still_serves(running)


async def test_a_claim_that_fails_costs_one_request_only() -> None:
    """500 for whoever showed what is looked at beside the judge; the process and all others go on."""

    async def fails() -> Problem | None:
        raise RuntimeError("not thought of")

    def authorize(view: HeaderView) -> Grant | Problem:
        return Grant("me", claim=fails if view.param("ticket") else None)

    async with gateway(authorize=authorize) as running:
        client = await running.listen("ticket=t")
        assert (client.status, (await client.problem())["status"]) == (500, 500)
        assert await client.ended() == b""
        assert await still_serves(running)


async def test_what_is_claimed_is_claimed_when_its_turn_comes() -> None:
    """A stream behind another request of its connection takes nothing before that is answered, and takes it once."""
    claimed = list[str]()

    def authorize(view: HeaderView) -> Grant | Problem:
        async def claim() -> Problem | None:
            claimed.append(view.path)
            await asyncio.sleep(0)
            return None

        return Grant("me", claim=claim)

    async with gateway(authorize=authorize) as running:
        client = await send(running, REST + REST + STREAM)
        assert [await answer_of(client) for _ in range(2)] == ["/v1/stories"] * 2
        await client.head()
        assert (await client.next()).event == "hello"
        running.log.append(released())
        assert (await client.next()).event == "story"
        assert claimed == ["/v1/stream"]


async def test_a_stream_that_is_stopping_takes_nobody_in() -> None:
    """503 with Retry-After on a connection that is still open."""
    async with gateway(drain_s=1.5) as running:
        client, held = await running.connect(), await running.listen()
        client.writer.write(REST)
        await answer_of(client)
        await held.next()
        running.hub._door.open = False
        client.writer.write(STREAM)
        await client.head()
        assert (client.status, client.headers["retry-after"]) == (503, "1")
        running.hub._door.open = True


HOSTILE = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "NUL in the path": b"GET /v1/stream\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a header": b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: e1\x00-0-1\r\n\r\n",
    "bytes beyond ASCII in the path": b"GET /v1/stream\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "no such version": b"GET /v1/stream HTTP/9.9\r\n\r\n",
    "line folding": b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n folded: y\r\nA B: c\r\n\r\n",
}


@pytest.mark.parametrize("bytes_sent", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_no_http_is_answered_400_and_closed(bytes_sent: bytes) -> None:
    """And disturbs nobody else."""
    async with gateway() as running:
        client = await send(running, bytes_sent)
        await client.head()
        assert client.status == 400
        await client.ended()
        assert await still_serves(running)


@pytest.mark.parametrize("start", [b"GET /v1/stream?x=", b"GET /v1/stream HTTP/1.1\r\nX: "], ids=["line", "header"])
async def test_a_head_without_end_is_cut_off(start: bytes) -> None:
    """431 once it is larger than any head need be, and nothing more of it is kept."""
    async with gateway() as running:
        client = await send(running, start, *[b"a" * 16384] * (MOST_HEAD // 16384 + 1))
        await client.head()
        assert client.status == 431
        assert client.headers["connection"] == "close"
        assert await still_serves(running)


async def test_a_large_head_in_one_piece_is_refused_too() -> None:
    """Whether it is for the stream or not."""
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 1000) for number in range(70))
    async with gateway() as running:
        for path in (b"/v1/stream", b"/v1/stories"):
            client = await send(running, b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path, fields))
            await client.head()
            assert client.status == 431


async def test_a_head_that_takes_too_long_is_given_up() -> None:
    """A byte now and then keeps no connection for ever."""
    async with gateway(head_s=0.1) as running:
        client = await send(running, b"GET /v1/st")
        await client.head()
        assert client.status == 408
        assert await client.ended()


async def test_what_a_listener_says_is_not_listened_to() -> None:
    """Bytes after the request change nothing and are not kept."""
    async with gateway() as running:
        client = await running.listen()
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n" + b"\x00" * 100_000)
        await client.next()
        running.log.append(released())
        assert (await client.next()).event == "story"


async def test_clients_that_vanish_in_the_middle_leave_nothing() -> None:
    """Before, during and after the head; with a reset."""
    async with gateway() as running:
        for sent in (b"", b"GET /v1/str", STREAM[:-2], STREAM):
            client = await send(running, sent)
            client.writer.transport.abort()
        await wait_until(lambda: running.clients() == 0, within=5)
        assert await still_serves(running)
