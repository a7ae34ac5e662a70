"""Which receivers are refused, and what do the ones that misbehave cost everybody else? Nothing."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import pytest

from tests.journeys.inbox import Inbox
from tests.journeys.people import Desk, Subscriber, a_secret
from tests.journeys.texts import a_story
from tests.receivers.friendly import healthy
from tests.receivers.recording import verifies
from tests.receivers.serving import Peer, Request, Script, answer, receiving
from tests.waiting import wait_until

pytestmark = pytest.mark.broker

MIB = 1024 * 1024
Behaviour: TypeAlias = Callable[[Peer, Request], Awaitable[None]]

REFUSED = (
    "https://127.0.0.1/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/hook",
    "https://[::1]/hook",
    "https://10.0.0.1/hook",
    "https://0x7f000001/hook",
    "https://localhost/hook",
    "http://user:word@example.com/hook",
    "https://user:word@example.com/hook",
    "ftp://example.com/hook",
)


@pytest.mark.parametrize("url", REFUSED)
async def test_an_address_inside_is_refused_when_it_is_registered(url: str, subscriber: Subscriber) -> None:
    """422 that names the rule; nothing is registered, and credentials in the URL are not repeated."""
    answered = await subscriber.api.post("/v1/endpoints", json={"url": url})
    assert answered.status_code == 422, answered.text
    assert answered.headers["content-type"] == "application/problem+json"
    assert answered.json()["errors"][0]["rule"]
    assert "user:word" not in answered.text
    assert url not in [each["url"] for each in (await subscriber.get("/v1/endpoints"))["items"]]


async def test_a_loopback_port_that_no_setting_names_is_refused(subscriber: Subscriber) -> None:
    """The refusal says which setting would permit exactly this receiver on a local installation."""
    answered = await subscriber.api.post("/v1/endpoints", json={"url": "http://127.0.0.1:6379/hook"})
    assert answered.status_code == 422
    assert "WIRE_ENDPOINT_ALLOW" in answered.text


async def redirecting(peer: Peer, request: Request) -> None:
    """Send every webhook elsewhere: to something inside."""
    await peer.say(answer(302, headers=[("Location", "http://127.0.0.1:6379/")]))


async def hanging(peer: Peer, request: Request) -> None:
    """Take it and never answer."""
    await peer.until_gone()


async def answering_with_ten_mib(peer: Peer, request: Request) -> None:
    """Answer 200 with far more than anybody wants to read."""
    await peer.say(answer(200, b"0" * (10 * MIB)))


def meeting_the_challenge(secret: str, then: Behaviour, seen: list[str]) -> Script:
    """Answer the challenge as an owner does; every later webhook is noted and left to `then`."""

    async def script(peer: Peer) -> None:
        while request := await peer.request():
            assert verifies(request, secret)
            message = json.loads(request.body)
            if message["type"] == "endpoint.challenge":
                await peer.say(answer(200, message["data"]["challenge"].encode()))
            else:
                seen.append(request.header("webhook-id") or "")
                await then(peer, request)

    return script


@asynccontextmanager
async def a_bad_neighbour(subscriber: Subscriber, behaviour: Behaviour, seen: list[str]) -> AsyncIterator[str]:
    """An endpoint of somebody else that misbehaves, subscribed to everything."""
    secret = a_secret()
    async with subscriber.endpoint(meeting_the_challenge(secret, behaviour, seen), secret=secret) as endpoint_id:
        made = await subscriber.made("/v1/subscriptions", name="bad", endpoint_id=endpoint_id, filter={})
        try:
            yield endpoint_id
        finally:
            await subscriber.api.delete(f"/v1/subscriptions/{made['subscription_id']}")


async def test_receivers_that_redirect_hang_or_flood_delay_nobody_else(
    desk: Desk, subscriber: Subscriber, other_subscriber: Subscriber
) -> None:
    """While a hanging receiver holds its first webhook, a good one gets twenty stories, in both lanes, at first try."""
    seen: dict[str, list[str]] = {"redirecting": [], "hanging": [], "flooding": []}
    behaviours = (redirecting, hanging, answering_with_ten_mib)
    async with AsyncExitStack() as opened:
        bad = {
            name: await opened.enter_async_context(a_bad_neighbour(other_subscriber, behaviour, seen[name]))
            for (name, behaviour) in zip(seen, behaviours, strict=True)
        }
        good: Inbox = await opened.enter_async_context(subscriber.webhooks())
        stories = [await desk.released(a_story(urgency=1 if number % 5 == 4 else 4)) for number in range(20)]
        for story in stories:
            await good.item(story.story_id)
        assert seen["hanging"]
        assert len(seen["hanging"]) < len(stories), "the hanging receiver was not hanging"
        rows = await subscriber.deliveries(endpoint_id=good.endpoint_id)
        assert {row["state"] for row in rows} <= {"delivered"}
        redirected = await _first_tried(other_subscriber, bad["redirecting"])
    assert redirected["state"] == "retrying"
    assert redirected["attempts"][0]["status"] == 302
    assert len(good.recorder.deliveries) == len({each.webhook_id for each in good.recorder.deliveries})


async def test_a_receiver_that_does_not_meet_the_challenge_stays_pending(subscriber: Subscriber) -> None:
    """Who cannot give the challenge back does not own the address."""
    with subscriber.wire.lend() as port:
        async with receiving(healthy, port=port) as receiver:
            made = await subscriber.made("/v1/endpoints", url=receiver.url_as("127.0.0.1", f"/{secrets.token_hex(4)}"))
            await wait_until(lambda: receiver.requests, 10, message="the challenge is asked")
            shown = await subscriber.get(f"/v1/endpoints/{made['endpoint_id']}")
            await subscriber.api.delete(f"/v1/endpoints/{made['endpoint_id']}")
    assert shown["state"] == "pending"


async def _first_tried(subscriber: Subscriber, endpoint_id: str) -> dict[str, Any]:
    """The oldest delivery of an endpoint that was tried."""
    rows = await subscriber.deliveries(endpoint_id=endpoint_id)
    assert rows
    return rows[-1]
