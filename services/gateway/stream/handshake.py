"""Is this the opening handshake of a WebSocket, and what answers it (RFC 6455, section 4)?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.gateway.stream.ports import HeaderView, Problem
from services.gateway.stream.websocket import accept_of, is_key

SUBPROTOCOL: Final = "slugline.v1"
"""The one in which a client may acknowledge and change its filter."""
VERSION: Final = "13"

_UPGRADE: Final = (("upgrade", "websocket"), ("sec-websocket-version", VERSION), ("connection", "close"))


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the client offered, as far as it is taken: no extension ever is."""

    accept: str
    subprotocol: str | None

    def head(self) -> bytes:
        """The answer's headers, the empty line included."""
        lines = ["upgrade: websocket", "connection: Upgrade", f"sec-websocket-accept: {self.accept}"]
        if self.subprotocol is not None:
            lines.append(f"sec-websocket-protocol: {self.subprotocol}")
        return "\r\n".join((*lines, "", "")).encode("ascii")


def handshake(view: HeaderView) -> Handshake | Problem:
    """Judge the head of a GET: 426 for what is no WebSocket or another version, 400 for a broken one."""
    headers = view.headers
    if "websocket" not in _tokens(headers, "upgrade") or "upgrade" not in _tokens(headers, "connection"):
        return Problem(426, "Upgrade required", "This path speaks WebSocket; /v1/stream is plain HTTP.", _UPGRADE)
    if headers.get("sec-websocket-version", "").strip() != VERSION:
        return Problem(426, "Upgrade required", f"WebSocket version {VERSION} is spoken here.", _UPGRADE)
    key = headers.get("sec-websocket-key", "").strip()
    if not is_key(key):
        return Problem(400, "Bad handshake", "Sec-WebSocket-Key: 16 bytes in base64.", (("connection", "close"),))
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    return Handshake(accept_of(key), SUBPROTOCOL if SUBPROTOCOL in offered else None)


def refusal_of_page(view: HeaderView, origins: frozenset[str]) -> Problem | None:
    """403 for a page that is neither of this host nor of one of these origins (section 10.2).

    No browser asks before it opens a WebSocket; whoever sends no `Origin` is no browser.
    """
    origin = view.headers.get("origin")
    if origin is None or origin in origins or urlsplit(origin).netloc == view.headers.get("host", ""):
        return None
    return Problem(403, "Forbidden", "This origin is not among those in WIRE_CORS_ORIGINS.", (("connection", "close"),))


def _tokens(headers: Mapping[str, str], name: str) -> set[str]:
    return {token.strip().lower() for token in headers.get(name, "").split(",")}
