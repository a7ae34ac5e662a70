"""What is on its way: what was accepted a moment ago is waited for, not denied."""

import asyncio

import pytest

from services.gateway.in_transit import InTransit
from shared.platform.topics import Topic
from tests.services.gateway.stories import URN
from tests.services.gateway.twins import record

LONG = 30.0


@pytest.mark.parametrize("topic", [Topic.RECEIVED, Topic.RECEIVED_FLASH])
async def test_a_story_that_is_read_a_little_later_is_known(topic: Topic) -> None:
    """Its 202 may be quicker than its record; whoever asks in between waits, and so does a second one."""
    transit = InTransit()
    asked = [asyncio.create_task(transit.until_story(URN, LONG)) for _ in range(2)]
    receipt = asyncio.create_task(transit.until_taken("e1", LONG))
    await asyncio.sleep(0)
    assert not any(one.done() for one in (*asked, receipt))
    transit.apply(record(topic, URN, b"{}", {"ce_id": "e1"}))
    await receipt
    assert [await one for one in asked] == [True, True]


async def test_what_nobody_filed_is_not_known_in_the_end() -> None:
    """And waiting for it leaves nothing behind."""
    transit = InTransit()
    assert not await transit.until_story(URN, 0.01)
    await transit.until_taken("e1", 0.01)
    assert transit.taken("e1") is None
    assert transit._waiters == {}
