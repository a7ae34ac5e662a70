"""What must be watched on the connection itself, where aiohttp alone would trust the receiver?

Four things: the send gate at the moment of writing, bytes before the head of an answer, bytes nobody asked
for on an idle connection, and peers that never read or never say goodbye.
"""

import ssl
from functools import partial
from time import perf_counter
from typing import Any

from aiohttp import ClientError, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from aiohttp.tracing import Trace

from services.distribution.adapters.fallback.exchange import Exchange, current
from services.distribution.adapters.sockets import reset_on_close


class GateShutError(ClientError):
    """The gate said no when the connection was ready; nothing was written."""


class SpokeFirstError(ClientError):
    """A new connection brought bytes before anything was asked over it."""


class HeadTooLongError(ClientError):
    """An answer, or the interim answers before it, went on and on without its head ending."""


class WatchedProtocol(ResponseHandler):
    """aiohttp's side of one connection, with a limit on what a receiver may send before its answer begins."""

    HEAD_LIMIT = 64 * 1024
    HEAD_STEP = 4 * 1024  # what is parsed before the limits are looked at: a read may hold 9,000 interim answers

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made_at = perf_counter()
        self.exchange: Exchange | None = None
        self.spoke_first = False

    @property
    def used(self) -> bool:
        return self.exchange is not None

    def begin(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if not data:  # aiohttp's way to wake a parser that it had paused
            super().data_received(data)
            return
        if exchange is None or exchange.over:  # nobody asked: it could only spoil the next answer
            self.spoke_first = exchange is None
            self.force_close()
            self._drop()
            return
        exchange.heard(len(data))
        start = 0
        while not exchange.head_read and start < len(data):
            super().data_received(data[start : start + self.HEAD_STEP])
            start += self.HEAD_STEP
            if self.exception() is not None:
                return
            if self._is_endless(exchange):
                self.set_exception(HeadTooLongError("the head of the answer does not end"))
                self._drop()
                return
        if start < len(data):
            super().data_received(data[start:])

    def _is_endless(self, exchange: Exchange) -> bool:
        return exchange.received > self.HEAD_LIMIT and not exchange.head_read

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        message, payload = data
        exchange = self.exchange
        assert exchange is not None
        if message.code < 200 and message.code != 101:
            return  # nobody waits for an interim answer, so none is queued
        if exchange.head_read:
            self.force_close()  # a second answer to one request
        else:
            exchange.head_read = True
            payload.on_eof(exchange.answered_whole)
            super().feed_data(data, size)

    def close(self) -> None:
        """Drop the connection at once: closing politely would wait, here and in the kernel, for who never reads."""
        if self.transport is not None and self.exchange is not None and not self.exchange.settled:
            reset_on_close(self.transport.get_extra_info("socket"))
        self.abort()

    def _drop(self) -> None:
        if self.transport is not None:  # aiohttp's own abort() would forget why
            reset_on_close(self.transport.get_extra_info("socket"))
            self.transport.abort()


class GatedConnector(TCPConnector):
    """aiohttp's connections, each asked of the gate before it is written to and none used beyond `max_age` s."""

    def __init__(self, *, max_age: float, **settings: Any) -> None:
        super().__init__(limit=0, limit_per_host=0, use_dns_cache=False, **settings)
        # aiohttp has no public seam for its protocol; the tests of endless heads fail should this one go.
        self._factory = partial(WatchedProtocol, loop=self._loop)  # type: ignore[assignment]
        self._max_age = max_age

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        exchange = current.get()
        connection = await super().connect(req, traces, timeout)
        while self._is_spoiled(connection):
            connection.close()
            connection = await super().connect(req, traces, timeout)
        protocol = _protocol(connection)
        if protocol.spoke_first:
            connection.close()
            raise SpokeFirstError
        exchange.connected(reused=protocol.used)
        try:
            may_write = exchange.gate()
        except BaseException:
            connection.close()
            raise
        if not may_write:
            connection.release()
            raise GateShutError
        protocol.begin(exchange)
        return connection

    def _is_spoiled(self, connection: Connection) -> bool:
        protocol = _protocol(connection)
        if not protocol.used:
            return False
        return protocol.should_close or perf_counter() - protocol.made_at > self._max_age


class TimedContext(ssl.SSLContext):
    """A verifying client context that notes when a handshake begins."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        exchange = current.get(None)
        if exchange is not None:
            exchange.handshake_at = perf_counter()
        return super().wrap_bio(*args, **kwargs)


def _protocol(connection: Connection) -> WatchedProtocol:
    protocol = connection.protocol
    assert isinstance(protocol, WatchedProtocol)
    return protocol
