"""A story page goes in at one end; verified webhook and stream event come out at the other with what was in it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from deploy.local.story_file import Told, filed_hash, told_by
from tests.journeys.judges import plain_body
from tests.journeys.people import Desk, Subscriber
from tests.material import material

pytestmark = pytest.mark.broker

DUMPS = Path(__file__).parents[1] / "samples" / "dumps"
TABLE: list[dict[str, Any]] = json.loads((DUMPS / "expected.json").read_text(encoding="utf-8"))


async def test_the_real_page_arrives_by_webhook_and_on_the_stream(desk: Desk, subscriber: Subscriber) -> None:
    """The masthead's date of 2025 does not win, the page's furniture stays behind, and the text is that of the page."""
    page = material("seeds", "kashmir-story-page.txt")
    async with subscriber.webhooks() as inbox, subscriber.listening() as stream:
        sent = await desk.released(page.read_bytes())
        item = await inbox.item(sent.story_id, sent.release_no)
        assert (await stream.story(sent.story_id, sent.release_no)) == item
    told = told_by(item)
    assert told == Told(
        headline="Taliban wins close consulates; Tajikistan reinforces border",
        byline="Kashmir Dot Com",
        date="2021-07-06",
        section="World",
        first="A surge of Taliban wins",
        last="to unseat the religious movement.",
        paragraphs=told.paragraphs,
    )
    assert told.body_hash == filed_hash(page, told)
    assert item["story"]["language"] == "en"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["file"])
async def test_a_dump_of_ours_meets_its_table(row: dict[str, Any], desk: Desk, subscriber: Subscriber) -> None:
    """Furniture in another order, no date, two dates, comments, CRLF, other scripts: the same table of fields."""
    async with subscriber.webhooks() as inbox, subscriber.listening() as stream:
        sent = await desk.released((DUMPS / row["file"]).read_bytes())
        item = await inbox.item(sent.story_id, sent.release_no)
        assert (await stream.story(sent.story_id, sent.release_no)) == item
    told, body = told_by(item), plain_body(item)
    assert (told.headline, told.byline, told.section) == (row["headline"], row["byline"], row["section"] or "")
    assert item["story"].get("contentCreated", "")[:10] == (row["date"] or "")
    assert body.startswith(row["first_words"])
    assert body.endswith(row["last_words"])
    assert hashlib.sha256(body.encode()).hexdigest() == row["body_sha256"]


async def test_a_script_is_gone_and_a_phone_number_is_labelled(desk: Desk, subscriber: Subscriber) -> None:
    """Nothing of the page's script is in any field; the telephone number stays copy, and the item says it is there."""
    async with subscriber.webhooks() as inbox:
        sent = await desk.released((DUMPS / "09-script-and-phone.txt").read_bytes())
        item = await inbox.item(sent.story_id, sent.release_no)
    text = json.dumps(item["story"])
    assert [word for word in ("<script", "onerror", "track(", "loadAds", "dataLayer") if word in text] == []
    assert "+44 20 7946 0321" in plain_body(item)
    assert "contact-data" in item["labels"]
    assert "markup-removed" in item["labels"]
