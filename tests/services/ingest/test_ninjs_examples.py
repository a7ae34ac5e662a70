"""How the example items of agencies fare: text is taken, all else is refused by name."""

import json

import pytest

from services.ingest import ninjs
from services.ingest.parsed import Unparsable
from tests.material import material
from tests.services.ingest.judges import assert_valid

TEXTS = {
    "20231008-anti-doping-measures-at-the-tour-down-under-will-be-the-toughest-ever-addb-ninjs-nitf.json",
    "businesswire-newsml-20130605006126.json",
    "dpa_text.json",  # names no type; it has a headline and a body, so it is read as text
    "ninjsExSimpleText_3.json",
    "ntb_text.json",
    "tt_text_image_3.json",
}


def test_text_items_are_taken_with_all_their_fields() -> None:
    """Six of the eighteen examples are text; each comes through valid, nothing of it lost or changed."""
    for name in sorted(TEXTS):
        body = material("data", "ninjs", "examples", name).read_bytes()
        story = ninjs.parse(body).story
        assert_valid(story)
        given = json.loads(body)
        bodies = given.pop("bodies", [])
        assert {key: story[key] for key in given} == given
        assert story["bodies"][: len(bodies)] == bodies


def test_other_items_are_refused_by_their_type() -> None:
    """The desk learns that pictures, sound and events are not taken yet, never something obscure."""
    others = [path for path in material("data", "ninjs", "examples").glob("*.json") if path.name not in TEXTS]
    assert len(others) == 12
    for path in others:
        with pytest.raises(Unparsable, match="only text") as refusal:
            ninjs.parse(path.read_bytes())
        assert refusal.value.errors[0].pointer == "/type"
