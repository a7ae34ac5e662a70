"""What is the WebSocket's own: its frames, what may be said in our subprotocol, and what of bad manners?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.stream.handshake import SUBPROTOCOL
from services.gateway.stream.ports import Grant, HeaderView
from services.gateway.stream.websocket import MOST_MESSAGE, Broken, Inbox, Message, Opcode, frame
from shared.domain.facts import Facts
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Filter
from tests.services.gateway.stream.channels import HANDSHAKE, KEY
from tests.services.gateway.stream.listening import Gateway, Listener, gateway
from tests.services.gateway.stream.releases import ReleasedLog, released
from tests.waiting import wait_until

MASK = b"\x01\x02\x03\x04"
HEAD = f"GET /v1/ws HTTP/1.1\r\nHost: x\r\n{KEY}{HANDSHAKE}"


@asynccontextmanager
async def socket(
    running: Gateway, query: str = "", protocols: tuple[str, ...] = (SUBPROTOCOL,)
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A client that is not ours."""
    url = f"http://127.0.0.1:{running.port}/v1/ws?{query}"
    async with (
        aiohttp.ClientSession(headers={"authorization": "Bearer k"}) as session,
        session.ws_connect(
            url, protocols=protocols, max_msg_size=2**22, timeout=aiohttp.ClientWSTimeout(ws_close=5)
        ) as opened,
    ):
        yield opened


async def events(opened: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return [await opened.receive_json() for _ in range(count)]


def masked(opcode: int, payload: bytes = b"", *, first: int = 0x80, mask: bytes = MASK) -> bytes:
    """A client's frame; `first` holds FIN and the reserved bits."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    if size > 0xFFFF:
        length = b"\xff" + size.to_bytes(8, "big")
    pattern = mask * (size // 4 + 1)
    return bytes([first | opcode]) + length + mask + bytes(a ^ b for a, b in zip(payload, pattern, strict=False))


async def raw(running: Gateway, extra: str = "") -> Listener:
    """A connection behind its handshake, to be written to by hand."""
    client = await running.connect()
    client.writer.write(f"{HEAD}{extra}\r\n".encode())
    await client.head()
    return client


async def close_code(client: Listener) -> int:
    """The code of the first close frame that comes."""
    while True:
        async with asyncio.timeout(5):
            first, second = await client.reader.readexactly(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(await client.reader.readexactly(2 if size == 126 else 8), "big")
            payload = await client.reader.readexactly(size)
        if first & 0x0F == Opcode.CLOSE:
            return int.from_bytes(payload[:2], "big")


async def test_frames_hold_id_event_and_data_and_the_ids_are_those_of_the_event_stream() -> None:
    """One cursor serves both channels."""
    async with gateway() as running, socket(running) as opened:
        plain = await running.listen()
        [hello] = await events(opened, 1)
        assert hello.pop("retry") > 0
        assert hello == {"id": "e1-0-0", "event": "hello", "data": {"resumed_from": "e1-0-0", "requested": None}}
        await plain.next()
        running.log.append(released(headline="Нато"))
        [story], same = await events(opened, 1), await plain.next()
        assert (story["id"], story["event"], story["data"]) == (same.id, same.event, same.data)


async def test_heartbeats_carry_the_cursor_and_a_drain_says_when_to_come_back() -> None:
    """The last words are a `retry` event and close code 1012."""
    async with gateway(heartbeat_s=0.2) as running, socket(running) as opened:
        _, beat = await events(opened, 2)
        assert (beat["id"], beat["event"], beat["data"]["cursor"]) == (None, "heartbeat", "e1-0-0")
        running.stop.set()
        last = (await events(opened, 1))[0]
        while last["event"] == "heartbeat":
            [last] = await events(opened, 1)
        assert (last["event"], last["retry"] > 0) == ("retry", True)
        assert (await opened.receive()).type is aiohttp.WSMsgType.CLOSE
        assert opened.close_code == 1012


async def test_the_filter_changes_without_a_new_connection_and_says_from_where() -> None:
    """What was released before the event is judged by the filter before, what comes after by the new one."""
    arts, world = Facts(sections=("arts",)), Facts(sections=("world",))
    async with gateway() as running, socket(running, "sections=arts") as opened:
        await events(opened, 1)
        running.log.append(released("urn:1", facts=arts))
        running.log.append(released("urn:2", facts=world))
        await opened.send_json({"filter": {"sections": ["world"]}})
        story, changed = await events(opened, 2)
        assert (story["data"]["story_id"], changed["event"]) == ("urn:1", "filter")
        assert changed["data"] == {"from": "e1-0-2", "filter": {"sections": ["world"]}}
        running.log.append(released("urn:3", facts=arts))
        running.log.append(released("urn:4", facts=world))
        assert [one["data"]["story_id"] for one in await events(opened, 1)] == ["urn:4"]


async def test_a_changed_filter_never_widens_what_was_granted() -> None:
    """Neither the subscription's filter nor the products."""

    def authorize(_: HeaderView) -> Grant:
        return Grant("me", Filter(languages=("en",)), products=(Filter(sections=("world",)),))

    async with gateway(authorize=authorize) as running, socket(running, "keywords=consulate") as opened:
        await events(opened, 1)
        await opened.send_json({"filter": {}})
        await events(opened, 1)
        running.log.append(released("urn:1", facts=Facts(sections=("world",), languages=("de",))))
        running.log.append(released("urn:2", facts=Facts(sections=("arts",), languages=("en",))))
        running.log.append(released("urn:k", 2, Lane.FLASH, Kind.KILL, reach=Facts(sections=("arts",))))
        running.log.append(released("urn:3", facts=Facts(sections=("world",), languages=("en",))))
        assert [one["data"]["story_id"] for one in await events(opened, 1)] == ["urn:3"]


async def test_a_named_client_goes_on_where_it_acknowledged() -> None:
    """Without a cursor of its own; the hello says so."""
    log = ReleasedLog()
    for number in range(3):
        log.append(released(f"urn:{number}"))
    async with gateway(log) as running:
        async with socket(running, "client=desk&cursor=e1-0-0") as opened:
            await events(opened, 4)
            await opened.send_json({"ack": "e1-0-2"})
            await wait_until(lambda: any(one.acked for one in running.hub.clients()), within=5)
        async with socket(running, "client=desk") as opened:
            hello, story = await events(opened, 2)
            assert (hello["data"]["requested"], story["data"]["seq"]) == ("e1-0-2", 2)


@pytest.mark.parametrize(
    "said",
    ["no json", "[]", '{"ack": 1}', '{"ack": "e1-0-9"}', '{"ack": "x-0-0"}', '{"filter": {"colour": []}}', "[" * 9999],
)
async def test_what_cannot_be_meant_is_refused_and_the_stream_goes_on(said: str) -> None:
    """The answer names what is wrong."""
    async with gateway() as running, socket(running) as opened:
        await events(opened, 1)
        await opened.send_str(said)
        [refused] = await events(opened, 1)
        assert (refused["id"], refused["event"], len(refused["data"]["errors"])) == (None, "refused", 1)
        running.log.append(released())
        assert [one["event"] for one in await events(opened, 1)] == ["story"]


async def test_pings_are_answered_and_a_close_is_returned_with_its_code() -> None:
    """With the payload of the ping; the connection ends behind the close."""
    async with gateway() as running:
        client = await raw(running)
        client.writer.write(masked(Opcode.PING, b"there?") + masked(Opcode.CLOSE, (3456).to_bytes(2, "big")))
        assert await close_code(client) == 3456
        assert await client.ended() == b""
        await wait_until(lambda: running.clients() == 0, within=5)


HOSTILE = {
    "no mask": (frame(Opcode.TEXT, b"{}"), 1002),
    "a reserved bit": (masked(1, b"{}", first=0xC0), 1002),
    "an unknown opcode": (masked(3, b"{}"), 1002),
    "a control frame in parts": (masked(9, b"", first=0), 1002),
    "a long ping": (masked(9, b"x" * 126), 1002),
    "a continuation of nothing": (masked(0, b"x"), 1002),
    "a message within a message": (masked(1, b"x", first=0) + masked(1, b"x"), 1002),
    "a length in too many bytes": (b"\x81\xfe\x00\x02" + MASK + b"xx", 1002),
    "a length beyond all": (b"\x81\xff" + b"\xff" * 8 + MASK, 1002),
    "a message too big, announced": (b"\x81\xff" + (MOST_MESSAGE + 1).to_bytes(8, "big"), 1009),
    "a message too big, in parts": (masked(1, b"x" * 40_000, first=0) + masked(0, b"x" * 40_000, first=0), 1009),
    "text that is none": (masked(1, b"\xff\xfe"), 1007),
    "binary": (masked(2, b"\x00"), 1003),
    "text without the subprotocol": (masked(1, b"{}"), 1003),
    "half a close code": (masked(8, b"\x03"), 1002),
    "a close code that is never sent": (masked(8, (1006).to_bytes(2, "big")), 1002),
    "a close reason that is no text": (masked(8, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    "more than anybody has to say": (masked(10) * 10_001, 1008),
}


@pytest.mark.parametrize(("sent", "code"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_breaks_the_protocol_ends_the_connection_with_its_code(sent: bytes, code: int) -> None:
    """And leaves nothing behind, whoever else listens goes on."""
    async with gateway() as running:
        other, client = await running.listen(), await raw(running)
        await other.next()
        client.writer.write(sent)
        assert await close_code(client) == code
        await client.close()
        await wait_until(lambda: running.clients() == 1, within=5)
        running.log.append(released())
        assert (await other.next()).event == "story"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD.replace("Upgrade: websocket\r\n", ""), 426),
        (HEAD.replace("Version: 13", "Version: 8"), 426),
        (HEAD.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400),
        (HEAD.replace("Authorization: Bearer k\r\n", ""), 401),
        (HEAD.replace("GET", "POST"), 405),
        (HEAD.replace("/v1/ws", "/v1/ws?colour=red"), 422),
        (HEAD + "Origin: https://elsewhere.example\r\n", 403),
    ],
)
async def test_a_handshake_that_cannot_be_is_refused_as_a_problem(head: str, status: int) -> None:
    """Before anything is upgraded."""
    async with gateway() as running:
        client = await running.connect()
        client.writer.write(f"{head}\r\n".encode())
        await client.head()
        assert (client.status, (await client.problem())["status"]) == (status, status)


async def test_no_extension_is_agreed_on_and_only_our_subprotocol_is_taken() -> None:
    """The key is answered as in the example of RFC 6455, section 1.3."""
    async with gateway() as running:
        offered = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: other, slugline.v1\r\n"
        client = await raw(running, offered + "Origin: http://x\r\n")
        assert client.status == 101
        assert client.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert client.headers["sec-websocket-protocol"] == "slugline.v1"
        assert "sec-websocket-extensions" not in client.headers


@given(
    said=st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 4)), max_size=6), cuts=st.lists(st.integers(1, 90))
)
def test_messages_come_whole_however_they_are_cut(said: list[tuple[bytes, int]], cuts: list[int]) -> None:
    """Any fragmentation, a ping between the parts, any packets: the same messages."""
    wire = b""
    for payload, parts in said:
        step = len(payload) // parts + 1
        pieces = [payload[at : at + step] for at in range(0, len(payload) or 1, step)]
        for number, piece in enumerate(pieces):
            final = 0x80 if number == len(pieces) - 1 else 0
            wire += masked(0 if number else 2, piece, first=final) + masked(9, b"p")
    inbox, got = Inbox(), list[Message]()
    while wire:
        size = cuts.pop() if cuts else len(wire)
        got += inbox.take(wire[:size])
        wire = wire[size:]
    assert [one.payload for one in got if one.opcode is Opcode.BINARY] == [payload for payload, _ in said]


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_make_messages_or_break(data: bytes) -> None:
    """Whatever comes, it is either understood or refused."""
    with suppress(Broken):
        assert all(len(message.payload) <= MOST_MESSAGE for message in Inbox().take(data))
