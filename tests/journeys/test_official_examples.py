"""How do the example items of the IPTC and of agencies fare? Text goes out or waits with a reason, all else is 422."""

import json

import pytest

from tests.journeys.people import Desk, Subscriber
from tests.material import material
from tests.services.ingest.test_ninjs_examples import TEXTS

pytestmark = pytest.mark.broker


async def test_text_items_are_released_or_held_with_a_reason(desk: Desk, subscriber: Subscriber) -> None:
    """Each ends decided; what is released arrives with its headline, as valid ninjs 3.1."""
    folder = material("data", "ninjs", "examples")
    async with subscriber.webhooks() as inbox:
        for name in sorted(TEXTS):
            story = json.loads((folder / name).read_bytes())
            accepted = await desk.file(story)
            receipt = await desk.settled(accepted)
            assert receipt["state"] in {"released", "held"}, (name, receipt)
            if receipt["state"] == "held":
                assert receipt["reason"], name
                continue
            item = await inbox.item(accepted.story_id, receipt["release_no"])
            assert item["story"]["headlines"][0]["value"] == story["headlines"][0]["value"], name


async def test_items_of_other_types_are_refused_by_name(desk: Desk) -> None:
    """Pictures, sound, video and events: a problem that points at the type."""
    others = [path for path in material("data", "ninjs", "examples").glob("*.json") if path.name not in TEXTS]
    assert len(others) == 12
    for path in others:
        answer = await desk.post(json.loads(path.read_bytes()))
        assert answer.status_code == 422, path.name
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["errors"][0]["pointer"] == "/type"
        assert "only text" in answer.json()["errors"][0]["message"]
