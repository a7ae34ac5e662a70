"""What was wrong is corrected, what must not stand is killed: in order at whoever had it, and gone everywhere else."""

from collections.abc import AsyncIterator

import pytest

from tests.journeys.people import Desk, Subscriber, segment
from tests.journeys.texts import a_story, a_uri, a_word, with_headline
from tests.waiting import wait_until

pytestmark = pytest.mark.broker


@pytest.fixture(params=["urn", "https"])
def story_id(request: pytest.FixtureRequest) -> str:
    """A story's id may be a URN or a URL."""
    return a_uri() if request.param == "urn" else f"https://news.example.com/2026/11/{a_word()}?from=desk&page=1"


async def killed(story_id: str, first: Desk, second: Desk, reason: str) -> None:
    """Two editors kill a story."""
    asked = await first.decide(story_id, "kill", reason=reason)
    assert asked["state"] == "needs_second_person"
    confirmed = await second.confirm(asked["decision_id"])
    assert confirmed.status_code == 202, confirmed.text


async def places_where(mark: str, story_id: str, reader: Subscriber, since: str) -> AsyncIterator[str]:
    """Yield every way of reading in which a word of the text can still be found."""
    about = f"/v1/stories/{segment(story_id)}"
    ways = [about, f"{about}/versions", f"{about}/versions/1", f"{about}/versions/2", f"{about}/diff?from=1&to=2"]
    ways += [f"/v1/stories?keywords={mark}", "/v1/stories?limit=100", f"/v1/stories?uri={segment(story_id)}"]
    ways += ["/feeds/latest.atom", "/feeds/latest.rss", "/feeds/latest.json", "/", f"/stories/{segment(story_id)}"]
    for way in ways:
        if mark in (await reader.api.get(way)).text:
            yield way
    async with reader.listening(last_event_id=since) as replay:
        await replay.story(story_id, 3)
        if any(mark in str(item) for item in replay.stories):
            yield "the stream from before the story on"


async def test_a_correction_and_a_kill_arrive_in_order_and_nothing_shows_the_text_again(
    story_id: str, desk: Desk, editor: Desk, second_editor: Desk, subscriber: Subscriber
) -> None:
    """Same receiver, same order; afterwards no API, feed, list or replay has a word of it, and the story says 410."""
    mark = a_word()
    story = a_story(story_id, mark=mark)
    async with subscriber.webhooks(ordering="every") as inbox, subscriber.listening() as stream:
        since = stream.start
        await desk.released(story)
        await inbox.item(story_id, 1)
        right = with_headline(story, f"Reading room of {mark} opens on Saturday")["headlines"]
        correction = await desk.correct(story_id, "It opens on Saturday.", ["/headlines/0/value"], {"headlines": right})
        assert (await desk.settled(correction))["release_no"] == 2
        corrected = await inbox.item(story_id, 2)
        assert corrected["kind"] == "correct"
        assert corrected["changes"] == [
            {"pointer": "/headlines/0/value", "was": story["headlines"][0]["value"], "is": right[0]["value"]}
        ]
        assert mark in (await subscriber.story(story_id)).text
        await killed(story_id, editor, second_editor, "The source withdrew it.")
        kill = await inbox.webhook(story_id, 3)
        assert kill.type == "story.kill"
        assert mark not in kill.body.decode()
        await stream.story(story_id, 3)
        assert [item["release_no"] for item in inbox.about(story_id)] == [1, 2, 3]
        assert [item["release_no"] for item in stream.about(story_id)] == [1, 2, 3]
    assert [way async for way in places_where(mark, story_id, subscriber, since)] == []
    assert (await subscriber.story(story_id)).status_code == 410


async def test_what_arrives_under_a_killed_id_is_dead(
    desk: Desk, editor: Desk, second_editor: Desk, subscriber: Subscriber
) -> None:
    """A kill is remembered: a later version of the story is taken in, and never sent."""
    story_id = a_uri()
    await killed(story_id, editor, second_editor, "Known to be false before it came.")
    async with subscriber.webhooks() as inbox:
        late = await desk.file(a_story(story_id))
        assert (await desk.settled(late))["state"] == "killed"
        marker = await desk.released(a_story())
        await inbox.item(marker.story_id)
        assert all(item["kind"] == "kill" for item in inbox.about(story_id))


async def test_a_retry_that_waits_is_cancelled_by_the_kill(
    desk: Desk, editor: Desk, second_editor: Desk, subscriber: Subscriber
) -> None:
    """A receiver that was down when the story came gets the kill, and never the story."""
    mark = a_word()
    async with subscriber.webhooks(answers=[503]) as inbox:
        accepted = await desk.released(a_story(mark=mark))
        await inbox.item(accepted.story_id, 1)
        await killed(accepted.story_id, editor, second_editor, "The source withdrew it.")
        await inbox.item(accepted.story_id, 2)

        async def cancelled() -> bool:
            rows = await subscriber.deliveries(endpoint_id=inbox.endpoint_id, story_id=accepted.story_id)
            return {row["release_no"]: row["state"] for row in rows} == {1: "killed", 2: "delivered"}

        await wait_until(cancelled, 40, every=0.2, message="the waiting retry ends as killed")
        told = [(each.data["release_no"], mark in each.body.decode()) for each in inbox.webhooks]
    assert told == [(1, True), (2, False)]


async def test_a_kill_reaches_who_had_the_story_whatever_their_filter_says_now(
    desk: Desk, editor: Desk, second_editor: Desk, subscriber: Subscriber
) -> None:
    """Somebody who had the story and then narrowed the filter is told all the same."""
    async with subscriber.webhooks({"languages": ["en"]}) as inbox:
        accepted = await desk.released(a_story())
        await inbox.item(accepted.story_id, 1)
        changed = await subscriber.api.patch(
            f"/v1/subscriptions/{inbox.subscription_id}", json={"filter": {"languages": ["de"]}}
        )
        assert changed.status_code == 200, changed.text
        await killed(accepted.story_id, editor, second_editor, "The source withdrew it.")
        assert (await inbox.item(accepted.story_id, 2))["kind"] == "kill"


async def test_the_person_who_asked_for_a_kill_cannot_confirm_it(
    desk: Desk, editor: Desk, second_editor: Desk, subscriber: Subscriber
) -> None:
    """Two pairs of eyes: the first person's confirm is 403 and changes nothing, the second person's counts once."""
    accepted = await desk.released(a_story())
    asked = await editor.decide(accepted.story_id, "kill", reason="A test of the rule.")
    assert (await editor.confirm(asked["decision_id"])).status_code == 403
    assert (await subscriber.story(accepted.story_id)).status_code == 200
    assert (await second_editor.confirm(asked["decision_id"])).status_code == 202

    async def gone() -> bool:
        return (await subscriber.story(accepted.story_id)).status_code == 410

    await wait_until(gone, 20, message="the story is gone")
    assert (await second_editor.confirm(asked["decision_id"])).status_code == 200


async def test_a_second_kill_is_the_pending_one(desk: Desk, editor: Desk, second_editor: Desk) -> None:
    """Two editors who both ask have asked once."""
    accepted = await desk.released(a_story())
    first = await editor.decide(accepted.story_id, "kill", reason="Seen by one.")
    again = await second_editor.ask(accepted.story_id, "kill", reason="Seen by the other.")
    assert again.json()["decision_id"] == first["decision_id"]
