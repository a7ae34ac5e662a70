"""Receipts: what became of every 202."""

import pytest

from shared.domain.events import derived_id
from shared.platform.topics import Topic
from tests.services.gateway.stories import URN, filed
from tests.services.gateway.twins import World, record


async def receipt(wire: World, event_id: str) -> tuple[int, dict[str, object]]:
    headers = wire.key("dan", "desk")
    answer = await wire.http.get(f"/v1/desk/receipts/{event_id}", headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("topic", [Topic.RECEIVED, Topic.RECEIVED_FLASH])
async def test_what_is_on_its_way_is_received(wire: World, topic: Topic) -> None:
    """Known by the header of its record alone, with its version."""
    wire.transit.apply(record(topic, URN, b'{"version": 3}', {"ce_id": "e1"}))
    status, body = await receipt(wire, "e1")
    assert (status, body["state"], body["story_id"], body["version"]) == (200, "received", URN, 3)


async def test_a_filing_is_found_by_the_id_ingest_gave_it(wire: World) -> None:
    """Moderation knows it by the id its enrichment had, which is derived from it."""
    wire.know(filed(event_id=derived_id("enrich", "e1"), hold="names a minor"))
    _, body = await receipt(wire, "e1")
    assert (body["state"], body["version"], body["reason"]) == ("held", 1, "names a minor")


async def test_a_receipt_follows_its_story(wire: World) -> None:
    """Released, and then killed with it."""
    wire.know(filed())
    assert (await receipt(wire, "e1"))[1]["state"] == "released"
    eve = wire.key("eve", "editor")
    kill = {"reason": "wrong", "break_glass": True}
    await wire.http.post(f"/v1/desk/stories/{URN}/kill", json=kill, headers=eve)
    assert (await receipt(wire, "e1"))[1]["state"] == "killed"


@pytest.mark.parametrize("parked_as", ["e1", derived_id("enrich", "e1")])
async def test_what_was_parked_says_why(wire: World, parked_as: str) -> None:
    """Before or after its enrichment."""
    wire.transit.apply(record(Topic.RECEIVED, URN, b"{}", {"ce_id": "e1"}))
    topic = Topic.DEAD_ENRICH if parked_as == "e1" else Topic.DEAD_MODERATION
    dead = {"ce_id": parked_as, "dlq-reason": "data: not a story"}
    wire.transit.apply(record(topic, URN, b"{}", dead))
    _, body = await receipt(wire, "e1")
    assert (body["state"], body["reason"]) == ("parked", "data: not a story")


async def test_a_kill_that_waits_is_held_by_its_receipt(wire: World) -> None:
    """The words of receipts know no second person: a human must decide."""
    wire.know(filed())
    eve = wire.key("eve", "editor")
    asked = (await wire.http.post(f"/v1/desk/stories/{URN}/kill", json={"reason": "wrong"}, headers=eve)).json()
    _, body = await receipt(wire, asked["event_id"])
    assert (body["state"], body["reason"]) == ("held", "a second person must confirm the kill")


async def test_an_unknown_receipt_is_404(wire: World) -> None:
    """Never an empty answer."""
    status, body = await receipt(wire, "nobody")
    assert (status, body["title"]) == (404, "Not Found")


@pytest.mark.parametrize("value", [b"not json", None, b"[]", b'{"version": "3"}'])
async def test_a_record_that_is_no_json_has_a_receipt_without_version(wire: World, value: bytes | None) -> None:
    """What another service will park does not stop this one."""
    wire.transit.apply(record(Topic.RECEIVED, URN, value, {"ce_id": "e1"}))
    assert (await receipt(wire, "e1"))[1]["version"] is None


@pytest.mark.parametrize("topic", [Topic.STATE, Topic.KILLED])
async def test_a_state_that_is_no_json_is_passed_over(wire: World, topic: Topic) -> None:
    """The desk's view stays as it was."""
    wire.know(filed())
    wire.desk.apply(record(topic, URN, b"not json"))
    assert (await receipt(wire, "e1"))[1]["state"] == "released"


async def test_a_decision_that_is_no_json_is_passed_over(wire: World) -> None:
    """The inbox is moderation's to park."""
    wire.transit.apply(record(Topic.INBOX_FLASH, URN, b"not json", {"ce_id": "e1", "ce_type": "desk.decided"}))
    assert (await receipt(wire, "e1"))[0] == 404
