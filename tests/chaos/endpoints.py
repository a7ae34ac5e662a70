"""Who receives? Real local servers that verify every signature, and behave well, slowly, badly, or not at all."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from contextlib import suppress

from standardwebhooks import Webhook, WebhookVerificationError

from tests.chaos.recordings import Listener, seen

HOST = "127.0.0.1"
REFUSALS = ((500, ""), (503, "Retry-After: 1\r\n"), (429, "Retry-After: 2\r\n"))


class EndpointServer:
    """One endpoint: listens on its port, but for when it is away; what comes is noted in its `Listener`."""

    def __init__(self, listener: Listener, port: int, secret: str) -> None:
        self.listener = listener
        self.port = port
        self.secret = secret
        self._webhook = Webhook(secret)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._refused: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hook/{self.listener.name}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def close(self) -> None:
        """Stop listening and break every connection, as a host that goes down."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def live(self, begun: float) -> None:
        """Be away when the manner says so, for as long as the run lasts; `begun` is its start."""
        if self.listener.manner.dead:
            await self.close()
            return
        for leaves, returns in self.listener.manner.away:
            await asyncio.sleep(begun + leaves - time.time())
            await self.close()
            await asyncio.sleep(begun + returns - time.time())
            await self.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in lines if name}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        at = time.time()
        if not self._verifies(content, headers):
            self.listener.unverified += 1
            return await _say(writer, 401)
        message = json.loads(content)
        if message["type"] == "endpoint.challenge":
            return await _say(writer, 200, message["data"]["challenge"].encode(), "Content-Type: text/plain\r\n")
        if not message["type"].startswith("story."):
            return await _say(writer, 200)
        status, more = self._verdict(headers["webhook-id"])
        self.listener.came.append(seen(message["data"], at, webhook_id=headers["webhook-id"], status=status))
        if self.listener.manner.slow_s:
            await asyncio.sleep(self.listener.manner.slow_s * (int(_hash(headers["webhook-id"]), 16) % 100) / 100)
        return await _say(writer, status, headers=more)

    def _verifies(self, content: bytes, headers: dict[str, str]) -> bool:
        try:
            self._webhook.verify(content, headers, json_parse=False)
        except WebhookVerificationError:
            return False
        return True

    def _verdict(self, webhook_id: str) -> tuple[int, str]:
        """Whether this try is refused: decided by the id alone, so that a repeat is treated as the first was."""
        drawn, manner = int(_hash(webhook_id), 16), self.listener.manner
        times = 1 + drawn // 1000 % manner.most if drawn % 1000 < manner.refuses * 1000 else 0
        if self._refused[webhook_id] >= times:
            return 200, ""
        self._refused[webhook_id] += 1
        return REFUSALS[drawn // 7 % len(REFUSALS)]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


async def _say(writer: asyncio.StreamWriter, status: int, content: bytes = b"", headers: str = "") -> bool:
    writer.write(f"HTTP/1.1 {status} \r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content)
    await writer.drain()
    return True
