"""Which connection becomes a stream? uvicorn's own HTTP protocol, but for GET of the stream's two paths."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from services.gateway.origins import readable_by
from services.gateway.stream.admission import SSE_PATH, WS_PATH, Admission
from services.gateway.stream.filter_query import pairs_of
from services.gateway.stream.handshake import refusal_of_page
from services.gateway.stream.hub import StreamHub
from services.gateway.stream.ports import HeaderView, Problem
from shared.platform.logs import logger

PATHS: Final = {SSE_PATH.encode(): SSE_PATH, WS_PATH.encode(): WS_PATH}
MOST_HEAD: Final = 64 * 1024
"""Bytes of a request's line and headers."""

_TOO_LARGE: Final = Problem(431, "Request header fields too large", f"A head may have {MOST_HEAD} bytes.")
_TOO_SLOW: Final = Problem(408, "Request timeout", "The head of the request did not come in time.")
_FAILED: Final = Problem(500, "The request could not be judged")

_SSE_HEAD: Final = (
    b"content-type: text/event-stream\r\ncache-control: no-store\r\nx-accel-buffering: no\r\nconnection: close\r\n"
)
_NO_ORIGINS: Final[frozenset[str]] = frozenset()


def stream_protocol(hub: StreamHub, origins: frozenset[str] = _NO_ORIGINS) -> type[HttpToolsProtocol]:
    """Return the protocol class for uvicorn's `http=`: it hands streams to `hub`, and all else to the application.

    `origins`: the pages that may read the stream beside those of the host itself.
    """
    return type("StreamProtocol", (_StreamProtocol,), {"hub": hub, "origins": origins})


class _StreamProtocol(HttpToolsProtocol):
    """Takes the transport over once the head of a GET for the stream is in and what came before is answered.

    The body of an event stream ends with the connection: one representation for HTTP/1.0 and 1.1, every proxy and
    EventSource. A WebSocket begins with the handshake's answer. Refusals go through uvicorn like any answer, so
    keep-alive, HEAD and pipelining hold for them.
    """

    hub: ClassVar[StreamHub]
    origins: ClassVar[frozenset[str]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._admission: Admission | None = None  # a stream is asked for: nothing more is read
        self._claiming: asyncio.Task[Problem | None] | None = None
        self._cors: tuple[tuple[str, str], ...] = ()
        self._in_head = True
        self._waiting_bytes = 0  # of a head that came in parts
        self._head_bytes = 0
        self._late: asyncio.TimerHandle | None = None

    # What the transport says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self._admission is not None or self.transport.is_closing():
            return
        if self._in_head:
            self._waiting_bytes += len(data)
        super().data_received(data)
        if self._is_asked_for():
            self._become_stream()
        elif self._in_head and self._waiting_bytes > MOST_HEAD:
            self._refuse(_TOO_LARGE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_in()
        if self._claiming is not None:
            self._claiming.cancel()
        super().connection_lost(exc)

    # What the parser says

    def on_message_begin(self) -> None:
        if self._admission is None:
            super().on_message_begin()
            self._head_bytes = 0
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        if self._admission is None:
            self._head_bytes += len(url)
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._admission is None:
            self._head_bytes += len(name) + len(value)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._admission is not None:
            return
        self._head_is_in()
        if self._head_bytes > MOST_HEAD:
            self._answer(_TOO_LARGE)
        elif not self._asks_for_stream():
            super().on_headers_complete()
        else:
            judged = self._judge()
            if isinstance(judged, Problem):
                self._answer(self._readable(judged))
            else:
                self._admission = judged

    def on_body(self, body: bytes) -> None:
        if self._admission is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._admission is None:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._admission is not None:
            self._become_stream()

    # Deciding

    def _is_asked_for(self) -> bool:
        return self._admission is not None

    def _asks_for_stream(self) -> bool:
        """GET and all that is wrong in its place; OPTIONS, a browser's question before, is the application's."""
        return httptools.parse_url(self.url).path in PATHS and self.parser.get_method() != b"OPTIONS"

    def _should_upgrade(self) -> bool:
        """No upgrade but ours, which is seen to here."""
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever offers another protocol is served in this one, which is no reason for a line in the log."""

    def _judge(self) -> Admission | Problem:
        method, url = self.parser.get_method().decode("ascii"), httptools.parse_url(self.url)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers}
        view = HeaderView(method, PATHS[url.path], (), headers)
        readable = readable_by(self.origins, headers.get("origin"))
        self._cors = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in readable)
        pairs = pairs_of(url.query or b"")
        if isinstance(pairs, Problem):
            return pairs
        if view.path == WS_PATH and (refused := refusal_of_page(view, self.origins)):
            return refused
        try:
            return self.hub.admit(replace(view, query=pairs))
        except Exception as error:  # noqa: BLE001 - the door of one request: it is answered, the process goes on
            logger().error("stream.not_judged", exc_info=error)
            return _FAILED

    def _is_answered(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    # Doing

    def _become_stream(self) -> None:
        """Hand the transport to the hub, unless an earlier request of this connection is still being answered.

        A ticket is used up first, which is the only thing that a stream waits for.
        """
        busy = self.pipeline or not self._is_answered() or self._claiming is not None
        if busy or self.transport.is_closing() or self._admission is None:
            return
        if self._admission.claim is not None:
            self._claiming = self.loop.create_task(self._admission.claim(), name="stream.claim")
            self._claiming.add_done_callback(self._claimed)
            return
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.connections.discard(self)
        self.transport.write(self._head(self._admission))
        self.hub.open(self._admission, self.transport, self.connections)
        self.parser = None  # type: ignore[assignment]  # the two hold each other: let both go now

    def _claimed(self, claiming: asyncio.Task[Problem | None]) -> None:
        """Go on with a stream whose ticket was looked at, unless its client has left meanwhile."""
        self._claiming = None
        if claiming.cancelled() or self._admission is None:
            return
        if error := claiming.exception():
            logger().error("stream.not_judged", exc_info=error)
        refused = _FAILED if error else claiming.result() or self.hub.no_room(self._admission.key)
        if refused is None:
            self._admission = replace(self._admission, claim=None)
            self._become_stream()
        elif not self.transport.is_closing():
            self._refuse(self._readable(refused))

    def _readable(self, problem: Problem) -> Problem:
        return replace(problem, headers=(*problem.headers, *self._cors))

    def _head(self, admission: Admission) -> bytes:
        date = b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
        if admission.upgrade is not None:
            return b"HTTP/1.1 101 Switching Protocols\r\n" + date + admission.upgrade.head()
        cors = "".join(f"{name}: {value}\r\n" for name, value in self._cors).encode("latin-1")
        return b"HTTP/1.1 200 OK\r\n" + date + _SSE_HEAD + cors + b"\r\n"

    def _answer(self, problem: Problem) -> None:
        """Answer the present request instead of the application."""
        app, self.app = self.app, _problem_app(problem)
        try:
            super().on_headers_complete()
        finally:
            self.app = app

    def _refuse(self, problem: Problem) -> None:
        """Answer beside the application, and close."""
        self._head_is_in()
        body = _body(problem)
        phrase = HTTPStatus(problem.status).phrase.encode()
        lines = [b"HTTP/1.1 %d %b" % (problem.status, phrase)]
        lines += [name + b": " + value for name, value in _headers(problem, body)]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", body]))
        self.transport.close()

    def _expect_head(self) -> None:
        self._in_head = True
        if self._late is None:
            self._late = self.loop.call_later(self.hub.options.head_s, self._refuse_late)

    def _refuse_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self._refuse(_TOO_SLOW)

    def _head_is_in(self) -> None:
        self._in_head = False
        self._waiting_bytes = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _problem_app(problem: Problem) -> ASGIApp:
    body = _body(problem)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": problem.status, "headers": _headers(problem, body)})
        await send({"type": "http.response.body", "body": body})

    return app


def _body(problem: Problem) -> bytes:
    return json.dumps(problem.body()).encode()


def _headers(problem: Problem, body: bytes) -> Sequence[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *((name.encode("ascii"), value.encode("latin-1")) for name, value in problem.headers),
    ]
