"""Nothing leaves before its time or before a person has decided; then it does, through every channel."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.journeys.people import Desk, Subscriber, segment
from tests.journeys.texts import a_story, a_word, with_body
from tests.waiting import wait_until

pytestmark = pytest.mark.broker


async def seen_in(mark: str, story_id: str, reader: Subscriber) -> list[str]:
    """The ways of reading in which a word of the text stands at this moment."""
    ways = [f"/v1/stories/{segment(story_id)}", f"/v1/stories?keywords={mark}", "/feeds/latest.atom"]
    return [way for way in ways if mark in (await reader.api.get(way)).text]


async def test_an_embargoed_story_is_seen_nowhere_before_its_time_and_everywhere_after_it(
    desk: Desk, subscriber: Subscriber
) -> None:
    """What was accepted before it and what was accepted after it comes through; the story waits for its second."""
    mark, until = a_word(), datetime.now(UTC) + timedelta(seconds=5)
    async with subscriber.webhooks() as inbox, subscriber.listening() as stream:
        accepted = await desk.file(a_story(mark=mark), embargo_until=until.isoformat())
        receipt = await desk.settled(accepted)
        assert receipt["state"] == "embargoed"
        story_id = accepted.story_id
        marker = await desk.released(a_story())
        await inbox.item(marker.story_id)
        await stream.story(marker.story_id)
        early = (inbox.about(story_id), stream.about(story_id), await seen_in(mark, story_id, subscriber))
        assert datetime.now(UTC) < until, "this machine was too slow for the test to say anything"
        assert early == ([], [], [])
        for item in (await inbox.item(story_id), await stream.story(story_id)):
            assert datetime.fromisoformat(item["released_at"]) >= until.replace(microsecond=0)
        assert datetime.now(UTC) >= until

        async def everywhere() -> bool:
            return len(await seen_in(mark, story_id, subscriber)) == 3

        await wait_until(everywhere, 10, message="story, list and feed show it")
        assert (await desk.receipt(accepted.event_id))["state"] == "released"


async def test_a_held_story_waits_in_the_queue_with_its_reason_until_an_editor_lets_it_go(
    desk: Desk, editor: Desk, subscriber: Subscriber
) -> None:
    """A phrase of a running court case holds it: in no channel, in the queue with rule and reason; then it is out."""
    mark = a_word()
    story = with_body(a_story(mark=mark), f"A baker of {mark} was remanded in custody on Friday, the clerk said.")
    async with subscriber.webhooks() as inbox, subscriber.listening() as stream:
        accepted = await desk.file(story)
        receipt = await desk.settled(accepted)
        assert (receipt["state"], receipt["reason"]) == ("held", "it may touch a case before a court")
        waiting = {entry["story_id"]: entry for entry in (await editor.get("/v1/desk/queue"))["items"]}
        assert waiting[accepted.story_id]["reason"] == receipt["reason"]
        marker = await desk.released(a_story())
        await inbox.item(marker.story_id)
        await stream.story(marker.story_id)
        assert inbox.about(accepted.story_id) == stream.about(accepted.story_id) == []
        assert await seen_in(mark, accepted.story_id, subscriber) == []
        assert (await subscriber.story(accepted.story_id)).status_code == 404
        await editor.decide(accepted.story_id, "release", version=1, note="The names are not in it.")
        assert mark in str(await inbox.item(accepted.story_id))
        await stream.story(accepted.story_id)
        assert (await desk.receipt(accepted.event_id))["state"] == "released"
        waiting = {entry["story_id"]: entry for entry in (await editor.get("/v1/desk/queue"))["items"]}
        assert accepted.story_id not in waiting


async def test_a_desk_key_cannot_decide(desk: Desk) -> None:
    """Who files may not let it go."""
    story = with_body(a_story(), "The clerk said the trial continues on Monday, and the hall will be heated.")
    accepted = await desk.file(story)
    assert (await desk.settled(accepted))["state"] == "held"
    assert (await desk.ask(accepted.story_id, "release", version=1)).status_code == 403


async def test_a_withheld_story_is_a_notice_until_it_is_released_again(
    desk: Desk, editor: Desk, subscriber: Subscriber
) -> None:
    """The notice has no text and reaches who had the story; the release that lifts it has the text again."""
    mark = a_word()
    async with subscriber.webhooks(ordering="every") as inbox:
        accepted = await desk.released(a_story(mark=mark))
        await inbox.item(accepted.story_id, 1)
        await editor.decide(accepted.story_id, "withhold", version=1, note="A lawyer called.")
        assert mark not in str(await inbox.item(accepted.story_id, 2))

        async def withheld() -> bool:
            return bool((await subscriber.story(accepted.story_id)).json().get("kind") == "withhold")

        await wait_until(withheld, 10, message="the story shows the notice")
        assert await seen_in(mark, accepted.story_id, subscriber) == []
        await editor.decide(accepted.story_id, "release", version=1, note="The lawyer was wrong.")
        assert mark in str(await inbox.item(accepted.story_id, 3))
        kinds = [item["kind"] for item in inbox.about(accepted.story_id)]
    assert kinds == ["publish", "withhold", "release"]
