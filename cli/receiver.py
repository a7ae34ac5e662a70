"""What does a subscriber's receiver do? Verify each webhook, answer the challenge, count each once, hand the rest on.

Signatures are judged by the published `standardwebhooks` library, not by our own code.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cli.holding import Effect, Holdings

LARGEST_BODY = 4 * 1024 * 1024
CHALLENGE = "endpoint.challenge"
HELD_PATH = "/held"


@dataclass(frozen=True, slots=True)
class Received:
    """One POST. `verified` False keeps the body out of reach: `message` is then empty and `why` says what was wrong."""

    webhook_id: str
    verified: bool
    message: dict[str, Any]
    body: bytes
    why: str = ""
    effect: Effect = "none"

    @property
    def type(self) -> str:
        return str(self.message.get("type", ""))


class Receiver:
    """A local receiver on its own thread. `received` is called from there, once per POST, challenges included.

    `answer_with` is the status of verified webhooks; what does not verify is answered 401. `GET /held?story_id=` says
    what is held of a story; what is answered with an error on purpose is not held.
    """

    def __init__(
        self,
        secret: str | None,
        received: Callable[[Received], None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        answer_with: int = 200,
    ) -> None:
        """Bind at once; raises OSError when the port is taken. `secret` may be set later, before the first POST."""
        self.secret = secret
        self._received = received
        self._answer_with = answer_with
        self._holdings = Holdings()
        self._connections: set[socket.socket] = set()
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in tuple(self._connections):  # a kept one would answer for whoever takes the port next
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def judge(self, headers: dict[str, str], body: bytes) -> Received:
        """Verify one POST; never raises for what a sender did."""
        from standardwebhooks import Webhook, WebhookVerificationError

        webhook_id = headers.get("webhook-id", "")
        if not self.secret:
            return Received(webhook_id, False, {}, b"", "no secret is known yet")
        try:
            Webhook(self.secret).verify(body, headers, json_parse=False)
            message = json.loads(body)
        except WebhookVerificationError as error:
            return Received(webhook_id, False, {}, b"", str(error))
        except ValueError:
            return Received(webhook_id, False, {}, b"", "the signed body is not JSON")
        if not isinstance(message, dict):
            return Received(webhook_id, False, {}, b"", "the signed body is not a JSON object")
        taken = 200 <= self._answer_with < 300
        effect = self._holdings.take(webhook_id, message) if taken else "none"
        return Received(webhook_id, True, message, body, effect=effect)

    def held(self, target: str) -> tuple[int, bytes]:
        """Answer a GET: what is held of the story that its query names."""
        parts = urlsplit(target)
        found = self._holdings.of(parse_qs(parts.query).get("story_id", [""])[0])
        if parts.path != HELD_PATH or found is None:
            return 404, b""
        return 200, json.dumps(asdict(found)).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def setup(self) -> None:
                super().setup()
                receiver._connections.add(self.connection)

            def finish(self) -> None:
                receiver._connections.discard(self.connection)
                with suppress(OSError):  # the connection may be shut down by now
                    super().finish()

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                if not 0 <= length <= LARGEST_BODY:
                    self._say(413, b"")
                    return
                body = self.rfile.read(length)
                received = receiver.judge({name.lower(): value for name, value in self.headers.items()}, body)
                receiver._received(received)
                if not received.verified:
                    self._say(401, b"")
                elif received.type == CHALLENGE:
                    self._say(200, str(received.message.get("data", {}).get("challenge", "")).encode())
                else:
                    self._say(receiver._answer_with, b"")

            def do_GET(self) -> None:
                status, body = receiver.held(self.path)
                self._say(status, body, "application/json")

            def _say(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing: what came is told by `received`."""

        return Handler
