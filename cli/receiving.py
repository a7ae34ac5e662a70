"""How does somebody try webhooks at their own terminal? A local receiver, registered for as long as it runs."""

from __future__ import annotations

import json
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cli.api import Api
from cli.exits import Ended, Exit
from cli.receiver import CHALLENGE, Received, Receiver


@contextmanager
def registered(api: Api, receiver: Receiver, url: str, filter_: dict[str, Any]) -> Iterator[str]:
    """Register `url` as an endpoint with a subscription; both are deleted on the way out. Yields the endpoint's id."""
    path = secrets.token_hex(4)
    endpoint = api.ask(
        "POST",
        "gateway",
        "/v1/endpoints",
        role="subscriber",
        json={"url": f"{url.rstrip('/')}/{path}", "description": "wire receive"},
    )
    receiver.secret = endpoint["secret"]
    endpoint_id = str(endpoint["endpoint_id"])
    subscription_id = None
    try:
        subscription = api.ask(
            "POST",
            "gateway",
            "/v1/subscriptions",
            role="subscriber",
            json={"name": "wire receive", "endpoint_id": endpoint_id, "filter": filter_},
        )
        subscription_id = subscription["subscription_id"]
        yield endpoint_id
    finally:
        with suppress(Ended):
            if subscription_id:
                api.ask("DELETE", "gateway", f"/v1/subscriptions/{subscription_id}", role="subscriber")
            api.ask("DELETE", "gateway", f"/v1/endpoints/{endpoint_id}", role="subscriber")


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Make SIGTERM end the block as Ctrl-C does, so that what was registered is deleted."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Printer:
    """Prints one line per POST from whatever thread it came on, and says when `limit` stories have come."""

    def __init__(self, say: Callable[[str], None], *, as_json: bool, limit: int | None) -> None:
        self._say = say
        self._as_json = as_json
        self._left = limit
        self._turn = threading.Lock()
        self.done = threading.Event()
        self.unverified = 0

    def received(self, post: Received) -> None:
        with self._turn:
            self._say(as_json(post) if self._as_json else in_a_line(post))
            self.unverified += not post.verified
            if post.verified and post.type != CHALLENGE and self._left is not None:
                self._left -= 1
                if self._left <= 0:
                    self.done.set()


def open_receiver(secret: str | None, printer: Printer, host: str, port: int, answer_with: int) -> Receiver:
    """Bind a receiver; raises `Ended` when the port cannot be had."""
    try:
        return Receiver(secret, printer.received, host=host, port=port, answer_with=answer_with)
    except OSError as error:
        raise Ended(Exit.FAILED, f"Port {port} of {host} cannot be had: {error.strerror}.") from None


def in_a_line(post: Received) -> str:
    """What came: type, id, story and release, or why it does not verify."""
    if not post.verified:
        return f"NOT VERIFIED  {post.webhook_id or '(no webhook-id)'}  {post.why}"
    data = post.message.get("data") or {}
    if not post.type.startswith("story."):
        return f"{post.type:<18} {post.webhook_id}"
    headlines = (data.get("story") or {}).get("headlines") or [{}]
    headline = headlines[0].get("value") or data.get("notice") or "(notice)"
    known = {"again": "  (again)", "older": "  (older)"}.get(post.effect, "")
    return f"{post.type:<18} {post.webhook_id}  {data.get('story_id')}  r{data.get('release_no')}  {headline}{known}"


def as_json(post: Received) -> str:
    """The same as one line of JSON, with the verified message."""
    return json.dumps(
        {
            "webhook_id": post.webhook_id,
            "verified": post.verified,
            "why": post.why,
            "effect": post.effect,
            "message": post.message,
        },
        ensure_ascii=False,
    )
