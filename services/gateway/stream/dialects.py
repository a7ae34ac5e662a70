"""How does an event look on each channel? Its bytes are made once for all clients that are told the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from prometheus_client import Counter, Gauge

from services.gateway.stream.websocket import CloseCode, close_frame, text_frame
from shared.platform.metrics import STREAM_CLIENTS, STREAM_FRAMES

Channel = Literal["sse", "ws", "poll"]
Why = Literal["left", "slow", "drain", "failed", "revoked", "products", "refused"]
EVENTS: Final = ("hello", "story", "heartbeat", "gap", "checkpoint", "filter", "refused")

_CLOSES: Final[dict[Why, CloseCode]] = {
    "slow": CloseCode.TRY_AGAIN_LATER,
    "failed": CloseCode.TRY_AGAIN_LATER,
    "drain": CloseCode.SERVICE_RESTART,
    "products": CloseCode.SERVICE_RESTART,
    "revoked": CloseCode.POLICY_VIOLATION,
}


@dataclass(frozen=True, eq=False)
class Dialect:
    """The events of one channel as bytes.

    `event` takes name, id (None: not a resume point) and data as JSON; `hello` id, data and the reconnection delay in
    milliseconds; `goodbye` says why the connection ends and when to come back.
    """

    channel: Channel
    event: Callable[[str, str | None, bytes], bytes]
    hello: Callable[[str, bytes, int], bytes]
    goodbye: Callable[[Why, int], bytes]
    clients: Gauge = field(init=False)
    _counts: dict[str, Counter] = field(init=False)

    def __post_init__(self) -> None:
        counts = {event: STREAM_FRAMES.labels(self.channel, event) for event in EVENTS}
        object.__setattr__(self, "_counts", counts)
        object.__setattr__(self, "clients", STREAM_CLIENTS.labels(self.channel))

    def count(self, event: str, number: int = 1) -> None:
        """Count frames as written."""
        self._counts[event].inc(number)


def _sse_event(name: str, at: str | None, data: bytes) -> bytes:
    if at is None:
        return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (at.encode(), name.encode(), data)


def _sse_hello(at: str, data: bytes, retry_ms: int) -> bytes:
    return b"retry: %d\n%b" % (retry_ms, _sse_event("hello", at, data))


def _sse_goodbye(_: Why, retry_ms: int) -> bytes:
    return b"retry: %d\n\n" % retry_ms


def _json_event(name: str, at: str | None, data: bytes) -> bytes:
    told = b"null" if at is None else b'"%b"' % at.encode()
    return b'{"id":%b,"event":"%b","data":%b}' % (told, name.encode(), data)


def _ws_event(name: str, at: str | None, data: bytes) -> bytes:
    return text_frame(_json_event(name, at, data))


def _ws_hello(at: str, data: bytes, retry_ms: int) -> bytes:
    return text_frame(b'%b,"retry":%d}' % (_json_event("hello", at, data)[:-1], retry_ms))


def _ws_goodbye(why: Why, retry_ms: int) -> bytes:
    told = text_frame(b'%b,"retry":%d}' % (_json_event("retry", None, b"null")[:-1], retry_ms))
    return told + close_frame(_CLOSES[why], f"{why}: come back in {retry_ms} ms")


def _poll_event(name: str, at: str | None, data: bytes) -> bytes:
    return b"" if name == "heartbeat" else _json_event(name, at, data) + b"\n"


SSE: Final = Dialect("sse", _sse_event, _sse_hello, _sse_goodbye)
WS: Final = Dialect("ws", _ws_event, _ws_hello, _ws_goodbye)
POLL: Final = Dialect("poll", _poll_event, lambda at, data, retry_ms: b"", lambda why, retry_ms: b"")
"""A line of JSON for each event; an answer needs no greeting, heartbeat or goodbye."""
