"""What belongs to another subscriber does not exist: 404 on every verb, and nothing of it on the stream."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.people import Desk, Subscriber
from tests.journeys.texts import a_story
from tests.waiting import wait_until

pytestmark = pytest.mark.broker


@dataclass(frozen=True, slots=True)
class Belongings:
    """Ids of what one subscriber has."""

    endpoint: str
    subscription: str
    delivery: str


@pytest.fixture
async def theirs(desk: Desk, subscriber: Subscriber) -> AsyncIterator[Belongings]:
    """What the first subscriber has: an endpoint, a subscription and a delivery."""
    async with subscriber.webhooks() as inbox:
        accepted = await desk.released(a_story())
        webhook = await inbox.webhook(accepted.story_id)

        async def known() -> bool:
            return (await subscriber.api.get(f"/v1/deliveries/{webhook.webhook_id}")).status_code == 200

        await wait_until(known, 10, message="the delivery is listed")
        yield Belongings(inbox.endpoint_id, inbox.subscription_id, webhook.webhook_id)


def requests_about(theirs: Belongings) -> list[tuple[str, str, Any]]:
    """Every verb on everything they have."""
    endpoint, subscription = f"/v1/endpoints/{theirs.endpoint}", f"/v1/subscriptions/{theirs.subscription}"
    delivery, replays = f"/v1/deliveries/{theirs.delivery}", f"/v1/endpoints/{theirs.endpoint}/replays"
    orders: list[tuple[str, Any]] = [
        (f"{endpoint}/{order}", {}) for order in ("test", "challenge", "pause", "resume", "enable")
    ]
    return [
        ("GET", endpoint, None),
        ("PATCH", endpoint, {"description": "mine now"}),
        ("DELETE", endpoint, None),
        *(("POST", path, body) for path, body in orders),
        ("POST", f"{endpoint}/rotate-secret", {"overlap_s": 0}),
        ("POST", f"{endpoint}/retry-failed", {"since": "2026-01-01T00:00:00Z"}),
        ("POST", replays, {"since": "2026-01-01T00:00:00Z"}),
        ("GET", replays, None),
        ("GET", f"{replays}/rpl_1", None),
        ("DELETE", f"{replays}/rpl_1", None),
        ("GET", subscription, None),
        ("PATCH", subscription, {"name": "mine now"}),
        ("DELETE", subscription, None),
        ("GET", delivery, None),
        ("POST", f"{delivery}/retry", None),
        ("GET", f"/v1/deliveries?endpoint_id={theirs.endpoint}", None),
        ("GET", f"/v1/stream?subscription={theirs.subscription}", None),
    ]


async def test_another_subscribers_things_are_404_on_every_verb(
    theirs: Belongings, subscriber: Subscriber, other_subscriber: Subscriber
) -> None:
    """Not 403: whether something exists is nobody else's business. Nothing of it has changed afterwards."""
    before = [await subscriber.get(f"/v1/{path}") for path in _paths(theirs)]
    answers = {
        (verb, path): (await other_subscriber.api.request(verb, path, json=body)).status_code
        for verb, path, body in requests_about(theirs)
    }
    assert {asked: status for asked, status in answers.items() if status != 404} == {}
    assert [await subscriber.get(f"/v1/{path}") for path in _paths(theirs)] == before


async def test_another_subscribers_endpoint_cannot_be_subscribed_to(
    theirs: Belongings, other_subscriber: Subscriber
) -> None:
    """A subscription names one's own endpoint, or none."""
    body = {"name": "theirs", "endpoint_id": theirs.endpoint, "filter": {}}
    assert (await other_subscriber.api.post("/v1/subscriptions", json=body)).status_code in {404, 422}
    own = await other_subscriber.made("/v1/subscriptions", name="mine", endpoint_id=None, filter={})
    moved = await other_subscriber.api.patch(
        f"/v1/subscriptions/{own['subscription_id']}", json={"endpoint_id": theirs.endpoint}
    )
    assert moved.status_code in {404, 422}
    await other_subscriber.api.delete(f"/v1/subscriptions/{own['subscription_id']}")


async def test_lists_hold_ones_own_things_only(theirs: Belongings, other_subscriber: Subscriber) -> None:
    """Endpoints, subscriptions and deliveries of somebody else are in no list."""
    for path in ("endpoints", "subscriptions", "deliveries"):
        listed = str(await other_subscriber.get(f"/v1/{path}"))
        assert not any(each in listed for each in (theirs.endpoint, theirs.subscription, theirs.delivery)), path


async def test_a_ticket_opens_one_stream_and_only_what_its_owner_may_see(
    theirs: Belongings, subscriber: Subscriber, other_subscriber: Subscriber
) -> None:
    """A ticket stands for its owner's key, once: it does not open another subscriber's subscription."""
    ticket = (await other_subscriber.made("/v1/stream-tickets"))["ticket"]
    path = f"/v1/stream?ticket={ticket}"
    assert (await subscriber.api.get(f"{path}&subscription={theirs.subscription}")).status_code == 404
    async with other_subscriber.listening(ticket=ticket) as stream:
        assert stream.start, "the refused request has not used it up"
    assert (await subscriber.api.get(path)).status_code == 401
    ticket = (await subscriber.made("/v1/stream-tickets"))["ticket"]
    async with other_subscriber.listening(ticket=ticket, subscription=theirs.subscription) as stream:
        assert stream.start
    assert (await other_subscriber.api.get(f"/v1/stream?ticket={ticket}")).status_code == 401


async def test_without_a_key_there_is_nothing(theirs: Belongings, subscriber: Subscriber) -> None:
    """Every route of a subscriber's is 401 for a stranger, also for one with a made-up key."""
    for headers in ({"authorization": ""}, {"authorization": "Bearer sl_local_" + "x" * 43}):
        statuses = {
            (verb, path): (await subscriber.api.request(verb, path, json=body, headers=headers)).status_code
            for verb, path, body in requests_about(theirs)
        }
        assert {asked: status for asked, status in statuses.items() if status != 401} == {}


def _paths(theirs: Belongings) -> tuple[str, ...]:
    return f"endpoints/{theirs.endpoint}", f"subscriptions/{theirs.subscription}"
