"""Is what arrived what was filed? The comparison behind `make demo`."""

import json
from pathlib import Path

from deploy.local.story_file import content_type_of, filed_hash, told_by
from deploy.local.timeline import lines

BODY = "The first paragraph stands here.\n\nThe second one follows it.\n\nThe third one ends it."


def item(body: str = BODY) -> dict[str, object]:
    return {
        "story": {
            "headlines": [{"value": "Ferry line reopens"}],
            "by": "Marit Solberg",
            "contentCreated": "2026-11-22T00:00:00Z",
            "subjects": [{"name": "World", "rel": "section"}, {"name": "ferry"}],
            "bodies": [{"contentType": "text/plain", "value": body}],
        }
    }


def test_the_fields_come_from_the_item() -> None:
    """Headline, byline, date, section, and the ends of the body."""
    told = told_by(item())
    assert (told.headline, told.byline, told.date, told.section) == (
        "Ferry line reopens",
        "Marit Solberg",
        "2026-11-22",
        "World",
    )
    assert (told.first, told.last) == ("The first paragraph stands here.", "The third one ends it.")


def test_a_dump_matches_whatever_stands_around_the_text(tmp_path: Path) -> None:
    """Furniture above and below, other line ends: the same hash."""
    file = tmp_path / "page.txt"
    file.write_bytes(("Menu\n\n" + BODY + "\n\nLeave a reply\n").replace("\n", "\r\n").encode())
    told = told_by(item())
    assert filed_hash(file, told) == told.body_hash


def test_a_changed_word_is_seen(tmp_path: Path) -> None:
    """A paragraph in the middle that is not as filed gives another hash."""
    file = tmp_path / "page.txt"
    file.write_text(BODY)
    told = told_by(item(BODY.replace("second", "other")))
    assert filed_hash(file, told) != told.body_hash


def test_a_lost_paragraph_is_seen(tmp_path: Path) -> None:
    """Less than was filed is not the same."""
    file = tmp_path / "page.txt"
    file.write_text(BODY)
    told = told_by(item(BODY.replace("The second one follows it.\n\n", "")))
    assert filed_hash(file, told) != told.body_hash


def test_ninjs_is_compared_by_its_plain_body(tmp_path: Path) -> None:
    """A JSON file is filed as ninjs and compared as such."""
    file = tmp_path / "item.json"
    file.write_text(json.dumps({"bodies": [{"contentType": "text/plain", "value": BODY}]}))
    told = told_by(item())
    assert content_type_of(file) == "application/json"
    assert filed_hash(file, told) == told.body_hash


def test_the_timeline_counts_from_acceptance() -> None:
    """Each hop since the one before, and since the beginning."""
    told = lines({"accepted": 1_000_000, "released": 1_006_000}, webhook_us=1_010_000, stream_us=1_008_000)
    assert [line.split()[0] for line in told] == ["accepted", "released", "webhook", "stream"]
    assert "6.0 ms" in told[1]
    assert "10.0 ms" in told[2]


def test_a_story_without_times_has_no_timeline() -> None:
    """Nothing is made up."""
    assert lines({}, 1, 1) == []
