"""What does a desk see while the broker does not answer? 503 with Retry-After in time, and never two versions."""

import time

import pytest

from tests.journeys.instance import Wire
from tests.journeys.people import Desk, Subscriber
from tests.journeys.texts import a_story, a_word
from tests.standing_still import standing_still
from tests.waiting import wait_until

pytestmark = pytest.mark.broker


async def test_a_filing_while_the_broker_stands_still_is_503_and_becomes_one_version_later(
    wire: Wire, desk: Desk, subscriber: Subscriber
) -> None:
    """The desk repeats the same request; the record that was on its way and the repeated one are one version."""
    story, key = a_story(version=None), {"idempotency-key": a_word()}
    async with subscriber.webhooks(ordering="every") as inbox:
        with standing_still(wire.pid("kafka")):
            began = time.monotonic()
            refused = await desk.post(story, key)
            took = time.monotonic() - began
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        assert took < 5.0

        async def taken() -> bool:
            return (await desk.post(story, key)).status_code in {200, 202}

        await wait_until(taken, 30, every=0.2, message="the same request is taken")
        accepted = await desk.file(story, key)
        assert (await desk.settled(accepted))["state"] == "released"
        await inbox.item(accepted.story_id, 1)
        marker = await desk.released(a_story())
        await inbox.item(marker.story_id)
        known = await desk.get(f"/v1/desk/stories/{accepted.story_id}")
        assert [each["version"] for each in known["versions"]] == [1]
        assert [item["release_no"] for item in inbox.about(accepted.story_id)] == [1]
