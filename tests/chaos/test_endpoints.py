"""The accountant's receivers note what came, and take only what verifies."""

import asyncio
import json
import time

from deploy.local.ports import free_port
from shared.platform.signature import parse_secret, signed_headers
from tests.chaos.endpoints import HOST, EndpointServer
from tests.chaos.hand_made import told
from tests.chaos.recordings import Listener, Manner
from tests.chaos.wording import headline
from tests.journeys.people import a_secret


def webhook(secret: str, webhook_id: str, mark: str) -> bytes:
    item = {
        "story_id": "urn:example:a",
        "release_no": 1,
        "kind": "publish",
        "story": {"headlines": [{"value": headline(mark, "ferry")}]},
    }
    content = json.dumps({"type": "story.publish", "timestamp": "", "data": item}).encode()
    headers = signed_headers(webhook_id, int(time.time()), content, [parse_secret(secret)])
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"POST /hook HTTP/1.1\r\nContent-Length: {len(content)}\r\n{lines}\r\n".encode() + content


async def post(server: EndpointServer, content: bytes) -> int:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    writer.write(content)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split(b" ")[1])


async def an_endpoint(manner: Manner) -> EndpointServer:
    server = EndpointServer(Listener("one", "webhook", "latest", {}, manner), free_port(), a_secret())
    await server.open()
    return server


async def test_a_webhook_is_noted_by_its_mark() -> None:
    """With its id, its release and a hash of what it says."""
    server = await an_endpoint(Manner())
    mark = told("single").entries[0].step.mark
    assert await post(server, webhook(server.secret, "dlv_1", mark)) == 200
    (came,) = server.listener.came
    assert (came.webhook_id, came.release_no, came.key, came.taken) == ("dlv_1", 1, ("text", mark), True)
    await server.close()


async def test_what_does_not_verify_is_counted_and_not_taken() -> None:
    """It was signed with another secret."""
    server = await an_endpoint(Manner())
    assert await post(server, webhook(a_secret(), "dlv_1", "zq0v0")) == 401
    assert (server.listener.unverified, server.listener.came) == (1, [])
    await server.close()


async def test_a_refusing_endpoint_refuses_each_delivery_as_often_as_its_id_says() -> None:
    """And notes the tries it refused."""
    server = await an_endpoint(Manner(refuses=1.0, most=1))
    statuses = [await post(server, webhook(server.secret, "dlv_1", "zq0v0")) for _ in range(2)]
    assert statuses[0] in {429, 500, 503}
    assert statuses[1] == 200
    assert [one.taken for one in server.listener.came] == [False, True]
    await server.close()
