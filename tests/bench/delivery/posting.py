"""The smallest sender that signs: keep-alive connections, one POST on each at a time, an answer is a callback."""

import asyncio
import binascii
import hmac
import time
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import httptools

T = TypeVar("T")
Answered = Callable[["Line[T]", T, int], None]


class Line(asyncio.Protocol, Generic[T]):
    """One connection to an endpoint. `answered` is told the line, which may post again, what was posted, the status."""

    def __init__(self, host: str, port: int, path: str, key: bytes, answered: Answered[T]) -> None:
        self._key = key
        self._answered = answered
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
            "user-agent: bench\r\nwebhook-id: "
        ).encode()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._posted: T | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status, posted = self._parser.get_status_code(), self._posted
        self._parser = httptools.HttpResponseParser(self)
        assert posted is not None
        self._answered(self, posted, status)

    def post(self, webhook_id: str, body: bytes, what: T) -> None:
        """Sign and send; `what` comes back with the answer."""
        assert self._transport is not None
        self._posted = what
        known, at = webhook_id.encode(), b"%d" % time.time()
        mac = hmac.digest(self._key, b"%b.%b.%b" % (known, at, body), "sha256")
        signature = binascii.b2a_base64(mac, newline=False)
        self._transport.write(
            b"%b%b\r\nwebhook-timestamp: %b\r\nwebhook-signature: v1,%b\r\ncontent-length: %d\r\n\r\n%b"
            % (self._head, known, at, signature, len(body), body)
        )

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def line_to(host: str, port: int, path: str, key: bytes, answered: Answered[T]) -> Line[T]:
    """Connect to one endpoint."""
    line = Line(host, port, path, key, answered)
    await asyncio.get_running_loop().create_connection(lambda: line, host, port)
    return line
