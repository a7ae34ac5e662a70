"""Does a story really arrive? File one, and prove it by a verified webhook and an event on the stream."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import httpx2

from cli.receiver import Received, Receiver
from deploy.local import timeline
from deploy.local.accounts import bearer
from deploy.local.instance import Instance
from deploy.local.story_file import content_type_of, filed_hash, told_by

ARRIVES_WITHIN_S = 30.0
ACTIVE_WITHIN_S = 60.0

Say = Callable[[str], None]


class Exit(IntEnum):
    """How a demo ends."""

    ARRIVED = 0
    NOT_PROVEN = 1
    REFUSED = 2
    HELD = 3
    CANNOT = 4


class DemoFailed(Exception):
    """It cannot go on; the message says what to do."""

    def __init__(self, message: str, code: Exit = Exit.CANNOT) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Proof:
    """What came of the story, by story id: the first verified webhook and the first stream event, with epoch µs."""

    webhooks: dict[str, tuple[dict[str, Any], int]] = field(default_factory=dict)
    events: dict[str, tuple[dict[str, Any], int]] = field(default_factory=dict)
    unverified: list[str] = field(default_factory=list)

    def received(self, post: Received) -> None:
        if not post.verified:
            self.unverified.append(post.why)
        elif post.type.startswith("story."):
            item = post.message["data"]
            self.webhooks.setdefault(_name(item), (item, _now_us()))

    def seen(self, item: dict[str, Any]) -> None:
        self.events.setdefault(_name(item), (item, _now_us()))


async def demo(
    instance: Instance, file: Path, say: Say, *, secret: str | None = None, within: float = ARRIVES_WITHIN_S
) -> Exit:
    """File `file` and tell how it arrived; returns how it ended.

    `secret` makes the receiver verify with another secret than the endpoint's own: the proof must then fail.
    `within`: seconds given to webhook and stream event.
    """
    proof = Proof()
    try:
        port = int(instance.demo_receiver.rsplit(":", 1)[1])
        with _receiver(proof, instance.demo_bind, port) as receiver:
            async with (
                httpx2.AsyncClient(timeout=15.0) as client,
                _listening(client, instance, proof),
                _endpoint(client, instance, receiver, secret),
            ):
                proof.unverified.clear()  # a challenge may outrun the answer that brings its secret; it is sent again
                accepted = await _file(client, instance, file, say)
                return await _await_arrival(client, instance, accepted, proof, file, say, within)
    except DemoFailed as error:
        say(str(error))
        return error.code
    except httpx2.TransportError as error:
        say(f"The wire does not answer ({type(error).__name__}); `python -m deploy.local status` shows what runs.")
        return Exit.CANNOT


def _receiver(proof: Proof, host: str, port: int) -> Receiver:
    try:
        return Receiver(None, proof.received, host=host, port=port)
    except OSError as error:
        raise DemoFailed(f"Port {port} is taken, by another demo perhaps; try again when it is done.") from error


@asynccontextmanager
async def _listening(client: httpx2.AsyncClient, instance: Instance, proof: Proof) -> AsyncIterator[None]:
    """Follow the stream in the background; entered once `hello` has come."""
    hello = asyncio.Event()
    listening = asyncio.create_task(_follow(client, instance, proof, hello))
    waiting = asyncio.create_task(hello.wait())
    try:
        await asyncio.wait({listening, waiting}, timeout=10.0, return_when=asyncio.FIRST_COMPLETED)
        if not hello.is_set():
            raise DemoFailed("The stream is silent: no `hello` within 10 s.", Exit.NOT_PROVEN)
        yield
    finally:
        for task in (listening, waiting):
            task.cancel()
        with suppress(asyncio.CancelledError, httpx2.HTTPError):
            await listening


async def _follow(client: httpx2.AsyncClient, instance: Instance, proof: Proof, hello: asyncio.Event) -> None:
    headers = {**bearer(instance.keys["subscriber"]), "accept": "text/event-stream"}
    url = f"{instance.gateway}/v1/stream"
    async with client.stream("GET", url, headers=headers, timeout=httpx2.Timeout(10.0, read=60.0)) as answer:
        answer.raise_for_status()
        kind = ""
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                kind = line[6:].strip()
                if kind == "hello":
                    hello.set()
            elif line.startswith("data:") and kind == "story":
                proof.seen(json.loads(line[5:]))


@asynccontextmanager
async def _endpoint(
    client: httpx2.AsyncClient, instance: Instance, receiver: Receiver, secret: str | None
) -> AsyncIterator[None]:
    """An endpoint of our own with a subscription to everything, active; both are taken away at the end."""
    api, headers = instance.gateway, bearer(instance.keys["subscriber"])
    made = await client.post(
        f"{api}/v1/endpoints",
        json={"url": f"http://{instance.demo_receiver}/{secrets.token_hex(4)}", "description": "make demo"},
        headers=headers,
    )
    _must(made, "the endpoint")
    endpoint_id = made.json()["endpoint_id"]
    receiver.secret = made.json()["secret"]
    subscribed = await client.post(
        f"{api}/v1/subscriptions",
        json={"name": "make demo", "endpoint_id": endpoint_id, "filter": {}},
        headers=headers,
    )
    _must(subscribed, "the subscription")
    try:
        await _active(client, f"{api}/v1/endpoints/{endpoint_id}", headers)
        receiver.secret = secret or receiver.secret
        yield
    finally:
        with suppress(httpx2.HTTPError):
            await client.delete(f"{api}/v1/subscriptions/{subscribed.json()['subscription_id']}", headers=headers)
            await client.delete(f"{api}/v1/endpoints/{endpoint_id}", headers=headers)


async def _active(client: httpx2.AsyncClient, url: str, headers: dict[str, str]) -> None:
    deadline = time.monotonic() + ACTIVE_WITHIN_S
    while time.monotonic() < deadline:
        answer = await client.get(url, headers=headers)
        if answer.status_code == 200 and answer.json()["state"] == "active":
            return
        await asyncio.sleep(0.05)
    raise DemoFailed("The ownership challenge was not met: is distribution running?", Exit.NOT_PROVEN)


async def _file(client: httpx2.AsyncClient, instance: Instance, file: Path, say: Say) -> dict[str, Any]:
    """File it; a story that is on the wire already is sent again as a repeat."""
    accepted = await _post(client, instance, file, {})
    receipt = await _receipt(client, instance, accepted["event_id"])
    if receipt["state"] == "duplicate" or accepted.get("duplicate"):
        say("This text is on the wire already; it is sent again as a repeat.")
        return await _post(client, instance, file, {"kind": "repeat"})
    return accepted


async def _post(client: httpx2.AsyncClient, instance: Instance, file: Path, params: dict[str, str]) -> dict[str, Any]:
    headers = {**bearer(instance.keys["desk"]), "content-type": content_type_of(file)}
    story = await asyncio.to_thread(file.read_bytes)
    url = f"{instance.ingest}/v1/intake/stories"
    answer = await client.post(url, content=story, headers=headers, params=params)
    if answer.status_code not in {200, 202}:
        raise DemoFailed(f"ingest refused it with {answer.status_code}: {answer.text[:800]}", Exit.REFUSED)
    accepted: dict[str, Any] = answer.json()
    return accepted


async def _receipt(client: httpx2.AsyncClient, instance: Instance, event_id: str) -> dict[str, Any]:
    """Return the receipt once it says more than received (or after a second)."""
    url = f"{instance.gateway}/v1/desk/receipts/{event_id}"
    receipt: dict[str, Any] = {"state": "received"}
    for _ in range(50):
        answer = await client.get(url, headers=bearer(instance.keys["desk"]))
        if answer.status_code == 200:
            receipt = answer.json()
            if receipt["state"] != "received":
                return receipt
        await asyncio.sleep(0.02)
    return receipt


async def _await_arrival(
    client: httpx2.AsyncClient,
    instance: Instance,
    accepted: dict[str, Any],
    proof: Proof,
    file: Path,
    say: Say,
    within: float,
) -> Exit:
    deadline = time.monotonic() + within
    story_id = accepted["story_id"]
    while time.monotonic() < deadline:
        receipt = await _receipt(client, instance, accepted["event_id"])
        if receipt["state"] in {"held", "embargoed"}:
            say(f"The story is {receipt['state']}: {receipt.get('reason') or 'until its time'}")
            return Exit.HELD
        if receipt["state"] in {"rejected", "refused", "killed", "superseded", "parked"}:
            say(f"The story is {receipt['state']}: {receipt.get('reason') or 'no reason given'}")
            return Exit.REFUSED
        if receipt["state"] == "released":
            return await _compare(proof, f"{story_id}#{receipt['release_no']}", file, say, deadline)
        await asyncio.sleep(0.05)
    say("It was accepted, but moderation has not decided; `wire trace` shows where it is.")
    return Exit.NOT_PROVEN


async def _compare(proof: Proof, name: str, file: Path, say: Say, deadline: float) -> Exit:
    while time.monotonic() < deadline and not (name in proof.webhooks and name in proof.events):
        if proof.unverified:
            say(f"A webhook came whose signature does not verify: {proof.unverified[0]}")
            return Exit.NOT_PROVEN
        await asyncio.sleep(0.01)
    webhook, event = proof.webhooks.get(name), proof.events.get(name)
    if webhook is None or event is None:
        say("The webhook did not arrive." if webhook is None else "The stream event did not arrive.")
        return Exit.NOT_PROVEN
    told = told_by(webhook[0])
    filed = filed_hash(file, told)
    say(
        f"  headline   {told.headline}\n  byline     {told.byline}\n"
        f"  date       {told.date}\n  section    {told.section}"
    )
    say(f"  body       {told.first} … {told.last}")
    say(f"  sha256     {told.body_hash} ({'as filed' if filed == told.body_hash else f'FILED {filed}'})")
    for line in timeline.lines(webhook[0].get("stage_times", {}), webhook[1], event[1]):
        say(line)
    return Exit.ARRIVED if filed == told.body_hash else Exit.NOT_PROVEN


def _name(item: dict[str, Any]) -> str:
    return f"{item['story_id']}#{item['release_no']}"


def _must(answer: httpx2.Response, what: str) -> None:
    if answer.status_code != 201:
        raise DemoFailed(f"{what} was refused with {answer.status_code}: {answer.text[:500]}")


def _now_us() -> int:
    return time.time_ns() // 1000
