"""Receivers as subscribers might write them: right, or wrong in one way."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

FIVE_MINUTES = 300


@dataclass(frozen=True, slots=True)
class Habits:
    """How a receiver works; every default is right."""

    verifies: bool = True
    checks_time: bool = True
    verifies_bytes: bool = True
    reads_all_signatures: bool = True
    skips_other_schemes: bool = True
    refuses_with: int = 401
    accepts_with: int = 200
    gives_challenge: bool = True
    duplicates_with: int = 200
    older_with: int = 200
    unknown_with: int = 200
    counts_ids: bool = True
    orders: bool = True
    dead_stay_dead: bool = True
    knows_withholds: bool = True
    acts_before_verifying: bool = False
    keeps: bool = True
    longest_body: int = 4 * 1024 * 1024
    side_by_side: bool = True


@dataclass(slots=True)
class Memory:
    """What it holds."""

    ids: set[str] = field(default_factory=set)
    stories: dict[str, dict[str, Any]] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)


def verified(habits: Habits, secret: str, headers: Any, body: bytes) -> bool:
    if not habits.verifies:
        return True
    stamp, signatures = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "").split()
    if not stamp.isdigit() or (habits.checks_time and abs(time.time() - int(stamp)) > FIVE_MINUTES):
        return False
    if not habits.verifies_bytes:
        body = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
    content = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
    right = "v1," + base64.b64encode(digest).decode()
    if not habits.skips_other_schemes and any(not one.startswith("v1,") for one in signatures):
        return False
    return right in (signatures if habits.reads_all_signatures else signatures[:1])


def act(habits: Habits, memory: Memory, webhook_id: str, message: dict[str, Any]) -> int:
    """Take a message and return the status to answer."""
    kind, data = message["type"], message["data"]
    with memory.turn:
        again = webhook_id in memory.ids
        memory.ids.add(webhook_id)
        if again and habits.counts_ids:
            return habits.duplicates_with
        if not kind.startswith("story.") or "release_no" not in data:
            return habits.unknown_with
        held = memory.stories.get(data["story_id"], {"release_no": 0, "state": "live", "acted": 0})
        if held["state"] == "killed" and habits.dead_stay_dead:
            return habits.accepts_with
        if data["release_no"] < held["release_no"] and habits.orders:
            return habits.older_with
        known = {"story.kill": "killed", "story.withhold": "withheld"} if habits.knows_withholds else {}
        state = known.get(kind, "killed" if kind == "story.kill" else "live")
        if habits.keeps:
            memory.stories[data["story_id"]] = {
                "release_no": data["release_no"],
                "state": state,
                "acted": held["acted"] + 1,
            }
        return habits.accepts_with


@contextmanager
def receiving(secret: str, habits: Habits) -> Iterator[str]:
    """Serve a receiver with these habits on the loopback; yields its URL, `/held` beside it says what it holds."""
    memory = Memory()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            self._say(self._judged(body) if length <= habits.longest_body else (413, b""))

        def do_GET(self) -> None:
            held = memory.stories.get(parse_qs(urlsplit(self.path).query)["story_id"][0])
            self._say((404, b"") if held is None else (200, json.dumps(held).encode()))

        def _judged(self, body: bytes) -> tuple[int, bytes]:
            message = json.loads(body)
            webhook_id = self.headers.get("webhook-id", "")
            if habits.acts_before_verifying:
                act(habits, memory, webhook_id, message)
            if not verified(habits, secret, self.headers, body):
                return habits.refuses_with, b""
            if message["type"] == "endpoint.challenge":
                return 200, message["data"]["challenge"].encode() if habits.gives_challenge else b"ok"
            return act(habits, memory, webhook_id, message), b""

        def _say(self, answer: tuple[int, bytes]) -> None:
            self.send_response(answer[0])
            self.send_header("content-length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = (ThreadingHTTPServer if habits.side_by_side else HTTPServer)(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
