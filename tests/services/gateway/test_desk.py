"""The desk: what waits, what is known of a story, and how decisions are taken."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from shared.domain.events import Decision, DeskDecided, parse_event
from shared.domain.state import StoryText
from shared.platform.topics import Topic
from tests.services.gateway.stories import URL, URN, filed
from tests.services.gateway.twins import NOON, World


async def ask(
    wire: World, who: str, action: str, body: dict[str, Any] | None = None, story: str = URN, key: str | None = None
) -> httpx2.Response:
    """Ask for something as `who`, whose key has to be made before."""
    headers = {"authorization": f"Bearer sl_local_{who}"} | ({"idempotency-key": key} if key else {})
    path = f"/v1/desk/stories/{_quoted(story)}/{action}"
    return await wire.http.post(path, json=body or {}, headers=headers)


def _quoted(story: str) -> str:
    return story.replace("%", "%25").replace("/", "%2F").replace("?", "%3F")


@pytest.fixture
def desk(wire: World) -> World:
    """Two editors and a desk key."""
    wire.key("eve", "editor")
    wire.key("bob", "editor")
    wire.key("dan", "desk")
    return wire


def decided(wire: World) -> list[DeskDecided]:
    """The decisions that went to moderation."""
    events = [parse_event(one.value) for one in wire.topics.on(Topic.INBOX_FLASH)]
    return [event for event in events if isinstance(event, DeskDecided)]


async def get(wire: World, path: str, who: str = "eve") -> httpx2.Response:
    return await wire.http.get(path, headers={"authorization": f"Bearer sl_local_{who}"})


async def test_the_queue_shows_decisions_then_held_then_embargoed(desk: World) -> None:
    """Each with what it waits for, why, the evidence and its age."""
    desk.know(filed(hold="names a minor", story_id="urn:x:held"))
    desk.know(filed(embargo_until=NOON + timedelta(hours=1), story_id="urn:x:embargoed", event_id="e2"))
    await ask(desk, "dan", "kill", {"reason": "wrong"}, story="urn:x:killed")
    desk.clock.advance(timedelta(minutes=5))
    items = (await get(desk, "/v1/desk/queue")).json()["items"]
    assert [one["waits_for"] for one in items] == ["second_person", "editor", "time"]
    assert (items[1]["reason"], items[1]["queue"], items[1]["age_s"]) == ("names a minor", "minors", 300.0)
    assert (items[0]["person"], items[0]["reason"]) == ("dan", "wrong")


async def test_what_was_decided_leaves_the_queue(desk: World) -> None:
    """A held version that an editor released waits for nobody."""
    desk.know(filed(hold="names a minor"))
    answer = await ask(desk, "eve", "release", {"note": "she is nineteen"})
    assert (answer.status_code, answer.json()["state"]) == (202, "applied")
    assert (await get(desk, "/v1/desk/queue")).json()["items"] == []


async def test_a_decision_may_come_without_a_body(desk: World) -> None:
    """The newest version is meant then."""
    desk.know(filed(hold="names a minor"))
    answer = await desk.http.post(f"/v1/desk/stories/{URN}/release", headers={"authorization": "Bearer sl_local_eve"})
    assert (answer.status_code, answer.json()["state"]) == (202, "applied")


async def test_a_decision_goes_to_moderation_as_it_was_made(desk: World) -> None:
    """By the flash inbox, keyed by the story, with the person, the version and the note."""
    desk.know(filed(hold="names a minor"))
    await ask(desk, "eve", "reject", {"version": 1, "note": "no"})
    [event] = decided(desk)
    expected = Decision(action="reject", decision_id=event.event_id, person="eve", version=1, note="no")
    assert (event.data, event.story_id, desk.topics.on(Topic.INBOX_FLASH)[0].key) == (expected, URN, URN)


async def test_a_refused_decision_says_why(desk: World) -> None:
    """What moderation refuses is in the answer and in the receipt."""
    desk.know(filed())
    answer = await ask(desk, "eve", "urgency", {"urgency": 2})
    assert answer.json()["state"] == "refused"
    receipt = (await get(desk, f"/v1/desk/receipts/{answer.json()['event_id']}")).json()
    assert (receipt["state"], receipt["reason"]) == ("refused", "urgency can be changed before release only")


async def test_a_decision_that_moderation_has_not_taken_is_accepted(desk: World) -> None:
    """The answer does not wait for ever, and the receipt says received."""
    desk.moderated = False
    desk.know(filed(hold="names a minor"))
    answer = (await ask(desk, "eve", "release")).json()
    assert answer["state"] == "accepted"
    assert (await get(desk, f"/v1/desk/receipts/{answer['event_id']}")).json()["state"] == "received"
    assert (await get(desk, f"/v1/desk/decisions/{answer['decision_id']}")).json()["state"] == "accepted"


async def test_nothing_is_decided_about_a_story_nobody_knows(desk: World) -> None:
    """404, and no record."""
    assert (await ask(desk, "eve", "release")).status_code == 404
    assert decided(desk) == []


async def test_a_kill_needs_a_second_person(desk: World) -> None:
    """The first person's own confirmation is 403; another's kills; once more is 200 with the same decision."""
    desk.know(filed())
    asked = (await ask(desk, "eve", "kill", {"reason": "wrong"})).json()
    assert asked["state"] == "needs_second_person"
    confirm = f"/v1/desk/decisions/{asked['decision_id']}/confirm"
    own = await desk.http.post(confirm, headers={"authorization": "Bearer sl_local_eve"})
    other = await desk.http.post(confirm, headers={"authorization": "Bearer sl_local_bob"})
    again = await desk.http.post(confirm, headers={"authorization": "Bearer sl_local_bob"})
    assert [own.status_code, other.status_code, again.status_code] == [403, 202, 200]
    assert other.json()["decision_id"] == again.json()["decision_id"] == asked["decision_id"]
    assert (other.json()["state"], again.json()["state"]) == ("applied", "applied")
    assert desk.desk.kill(URN) is not None


async def test_the_first_person_cannot_be_quicker_than_moderation(desk: World) -> None:
    """Who asked is known from the asking itself, before any state tells it."""
    desk.moderated = False
    asked = (await ask(desk, "eve", "kill", {"reason": "wrong"})).json()
    confirm = f"/v1/desk/decisions/{asked['decision_id']}/confirm"
    own = await desk.http.post(confirm, headers={"authorization": "Bearer sl_local_eve"})
    other = await desk.http.post(confirm, headers={"authorization": "Bearer sl_local_bob"})
    assert (own.status_code, other.status_code) == (403, 202)


async def test_a_second_kill_is_the_pending_one(desk: World) -> None:
    """Two who ask for the same kill have one decision; nothing is published for the second."""
    desk.know(filed())
    first = (await ask(desk, "eve", "kill", {"reason": "wrong"})).json()
    second = await ask(desk, "bob", "kill", {"reason": "very wrong"})
    assert (second.status_code, second.json()["decision_id"]) == (202, first["decision_id"])
    assert second.json()["state"] == "needs_second_person"
    assert len(decided(desk)) == 1


async def test_a_kill_of_what_is_dead_says_so(desk: World) -> None:
    """200 with the decision that killed it."""
    first = (await ask(desk, "eve", "kill", {"reason": "wrong", "break_glass": True})).json()
    again = await ask(desk, "bob", "kill", {"reason": "again"})
    assert (again.status_code, again.json()["decision_id"]) == (200, first["decision_id"])
    assert again.json()["state"] == "applied"


async def test_a_cancelled_kill_is_over(desk: World) -> None:
    """Cancelling again is 200; confirming then is 409."""
    asked = (await ask(desk, "eve", "kill", {"reason": "wrong"})).json()
    path = f"/v1/desk/decisions/{asked['decision_id']}"
    bob = {"authorization": "Bearer sl_local_bob"}
    answers = [await desk.http.post(f"{path}/{what}", headers=bob) for what in ("cancel", "cancel", "confirm")]
    assert [answer.status_code for answer in answers] == [202, 200, 409]
    assert answers[0].json()["state"] == "cancelled"


async def test_nobody_confirms_too_late(desk: World) -> None:
    """After a day a kill without its second person is expired, and told as such everywhere."""
    asked = (await ask(desk, "eve", "kill", {"reason": "wrong"})).json()
    desk.clock.advance(timedelta(hours=25))
    late = await desk.http.post(
        f"/v1/desk/decisions/{asked['decision_id']}/confirm", headers={"authorization": "Bearer sl_local_bob"}
    )
    assert late.status_code == 409
    assert (await get(desk, f"/v1/desk/decisions/{asked['decision_id']}")).json()["state"] == "expired"
    assert (await get(desk, f"/v1/desk/receipts/{asked['event_id']}")).json()["state"] == "expired"


async def test_a_kill_without_a_second_person_is_an_editors_and_says_why(desk: World) -> None:
    """A desk key may not, and nobody may without a reason."""
    by_desk = await ask(desk, "dan", "kill", {"reason": "wrong", "break_glass": True})
    silent = await ask(desk, "eve", "kill", {"break_glass": True})
    assert (by_desk.status_code, silent.status_code) == (403, 422)
    assert silent.json()["errors"][0]["pointer"] == "/reason"


@pytest.mark.parametrize("story", ["urn:newsml:nobody.example:20261124:1", URL, "x" * 1024])
async def test_a_kill_of_any_id_is_taken(desk: World, story: str) -> None:
    """Also of one that nobody has heard of: what arrives under it later is dead."""
    answer = await ask(desk, "eve", "kill", {"reason": "wrong", "break_glass": True}, story=story)
    assert (answer.status_code, decided(desk)[0].story_id) == (202, story)


@pytest.mark.parametrize("story", ["a b", "x" * 1025, "a%00b", "a%09b", "a%0Ab"])
async def test_an_id_that_cannot_be_one_is_422(desk: World, story: str) -> None:
    """Spaces and control characters would break keys and logs."""
    path = f"/v1/desk/stories/{story}/kill"
    answer = await desk.http.post(path, json={"reason": "x"}, headers={"authorization": "Bearer sl_local_eve"})
    assert (answer.status_code, decided(desk)) == (422, [])


async def test_the_same_idempotency_key_decides_once(desk: World) -> None:
    """The answer is the first one; with another body it is 422, and nothing happens twice."""
    desk.know(filed())
    first = await ask(desk, "eve", "kill", {"reason": "wrong"}, key="k1")
    again = await ask(desk, "eve", "kill", {"reason": "wrong"}, key="k1")
    other = await ask(desk, "eve", "kill", {"reason": "other"}, key="k1")
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 422)
    assert again.json()["decision_id"] == first.json()["decision_id"]
    assert other.json()["errors"][0]["parameter"] == "Idempotency-Key"
    assert len(decided(desk)) == 1


async def test_one_persons_idempotency_key_is_not_anothers(desk: World) -> None:
    """Two people may choose the same key."""
    desk.know(filed())
    await ask(desk, "eve", "hold", {"note": "a"}, key="k1")
    await ask(desk, "bob", "hold", {"note": "b"}, key="k1")
    assert len({event.event_id for event in decided(desk)}) == 2


async def test_a_decision_not_on_the_broker_is_503_and_may_be_repeated(desk: World) -> None:
    """The same key later takes the decision, once."""
    desk.know(filed(hold="names a minor"))
    desk.topics.away = True
    failed = await ask(desk, "eve", "release", key="k1")
    desk.topics.away = False
    done = await ask(desk, "eve", "release", key="k1")
    assert (failed.status_code, done.status_code, len(decided(desk))) == (503, 202, 1)
    assert "retry-after" in failed.headers


async def test_decisions_are_listed_by_state(desk: World) -> None:
    """`?state=` picks; an unknown state is 422."""
    desk.know(filed())
    asked = (await ask(desk, "eve", "kill", {"reason": "wrong"})).json()
    await ask(desk, "eve", "withhold")
    found = (await get(desk, "/v1/desk/decisions?state=needs_second_person")).json()["items"]
    assert [one["decision_id"] for one in found] == [asked["decision_id"]]
    assert len((await get(desk, "/v1/desk/decisions")).json()["items"]) == 2
    assert (await get(desk, "/v1/desk/decisions?state=undecided")).status_code == 422


async def test_the_desk_sees_every_version_and_an_operator_no_held_text(desk: World) -> None:
    """Operators read everything but held text."""
    desk.know(filed(filed(), event_id="e2", version=2, text="Another text.", hold="names a minor", text_at=8))
    text = {"headlines": [{"value": "Held back"}]}
    desk.texts.kept[8] = StoryText(story_id=URN, version=2, story=text)
    shown = (await get(desk, f"/v1/desk/stories/{URN}")).json()
    assert [(one["version"], one["stage"]) for one in shown["versions"]] == [(2, "held"), (1, "released")]
    assert shown["versions"][0]["story"] == text
    operator = (await desk.http.get(f"/v1/desk/stories/{URN}", headers=desk.operator)).json()
    assert [one["story"] for one in operator["versions"]] == [None, None]


async def test_no_text_of_a_killed_story_is_shown_to_anybody(desk: World) -> None:
    """Not to the desk either, though it may still lie in the topic."""
    desk.know(filed())
    desk.texts.kept[7] = StoryText(story_id=URN, version=1, story={"headlines": [{"value": "Dead words"}]})
    await ask(desk, "eve", "kill", {"reason": "wrong", "break_glass": True})
    answer = await get(desk, f"/v1/desk/stories/{URN}")
    assert answer.json()["killed"]["release_no"] == 2
    assert "Dead words" not in answer.text


async def test_a_story_with_a_url_as_its_id_is_found_by_path_and_by_uri(desk: World) -> None:
    """Its slashes and its question mark are percent-encoded, in the path or in the query."""
    desk.know(filed(story_id=URL))
    by_path = await get(desk, f"/v1/desk/stories/{_quoted(URL)}")
    by_uri = await desk.http.get(
        "/v1/desk/stories", params={"uri": URL}, headers={"authorization": "Bearer sl_local_eve"}
    )
    assert by_path.json()["story_id"] == by_uri.json()["story_id"] == URL


async def test_break_glass_stands_in_the_audit(desk: World) -> None:
    """Who did it, to what, and why."""
    await ask(desk, "eve", "kill", {"reason": "a child's life", "break_glass": True})
    entry = (desk.topics.on(Topic.AUDIT)[-1].value or b"").decode()
    assert all(word in entry for word in ('"actor":"eve"', '"break_glass":true', "a child's life", URN))
