"""Who receives the seed? Those whose filter it meets, by place, subject and keyword, and nobody else."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.journeys.people import Desk, Subscriber
from tests.journeys.texts import a_story
from tests.material import material

pytestmark = pytest.mark.broker

MATCHING: dict[str, dict[str, Any]] = {
    "Tajikistan": {"places": ["TJ"]},
    "conflict": {"subjects": ["medtop:16000000"]},
    "consulates": {"keywords": ["consulate"]},
    "English": {"languages": ["en"], "not": {"places": ["FR"]}},
}
PASSING_BY: dict[str, dict[str, Any]] = {
    "France": {"places": ["FR"]},
    "German": {"languages": ["de"]},
    "not Tajikistan": {"languages": ["en"], "not": {"places": ["TJ"]}},
}


async def test_the_seed_reaches_whose_filter_it_meets_and_nobody_else(desk: Desk, subscriber: Subscriber) -> None:
    """The last of two stories filed to all proves that what did not come was not merely late."""
    page = material("seeds", "kashmir-story-page.txt").read_bytes()
    everything = a_story()
    async with AsyncExitStack() as opened:
        inboxes = {
            name: await opened.enter_async_context(subscriber.webhooks(wanted))
            for name, wanted in (MATCHING | PASSING_BY).items()
        }
        inboxes["all"] = await opened.enter_async_context(subscriber.webhooks())
        seed = await desk.released(page)
        for name in (*MATCHING, "all"):
            await inboxes[name].item(seed.story_id, seed.release_no)
        after = await desk.released(everything)
        await inboxes["all"].item(after.story_id)
        got = {name for name, inbox in inboxes.items() if inbox.about(seed.story_id)}
    assert got == {*MATCHING, "all"}


async def test_the_stream_and_the_list_filter_as_webhooks_do(desk: Desk, subscriber: Subscriber) -> None:
    """The same clauses as query parameters; what is wanted comes, the other story that came before it does not."""
    page = material("seeds", "kashmir-story-page.txt").read_bytes()
    async with subscriber.listening(places="TJ") as stream:
        other = await desk.released(a_story())
        seed = await desk.released(page)
        await stream.story(seed.story_id, seed.release_no)
        assert stream.about(other.story_id) == []
    listed = {item["story_id"] for item in await subscriber.latest(places="TJ", keywords="consulate")}
    assert seed.story_id in listed
    assert other.story_id not in listed


async def test_a_filter_on_an_unknown_field_is_refused(subscriber: Subscriber) -> None:
    """A typing error must not silently match everything."""
    answer = await subscriber.api.post("/v1/subscriptions", json={"name": "typo", "filter": {"place": ["TJ"]}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "place" in answer.text
    assert (await subscriber.api.get("/v1/stories", params={"place": "TJ"})).status_code == 422
