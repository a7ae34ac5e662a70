"""Ten dumps of our own and one real page meet their table of fields."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.ingest import dump
from tests.material import material
from tests.services.ingest.judges import assert_valid

SAMPLES = Path(__file__).parents[2] / "samples" / "dumps"
EXPECTED: list[dict[str, Any]] = json.loads((SAMPLES / "expected.json").read_text(encoding="utf-8"))


def body_by_the_table(row: dict[str, Any]) -> str:
    """The body as the documented rule has it, made from the table's line numbers and not by the parser."""
    lines = (SAMPLES / row["file"]).read_text(encoding="utf-8-sig").splitlines()
    kept = [
        re.sub(r"</?[a-z][^>]*>", "", line).strip()
        for number, line in enumerate(lines, 1)
        if row["first_line"] <= number <= row["last_line"] and number not in row["dropped_lines"]
    ]
    if row["wrapped"]:
        return "\n\n".join(part.strip().replace("\n", " ") for part in re.split(r"\n{2,}", "\n".join(kept)))
    return "\n\n".join(filter(None, kept))


@pytest.fixture(params=EXPECTED, ids=lambda row: row["file"])
def row(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One row of the table."""
    found: dict[str, Any] = request.param
    return found


def test_there_are_ten() -> None:
    """The table and the folder hold the same samples."""
    assert sorted(row["file"] for row in EXPECTED) == sorted(path.name for path in SAMPLES.glob("*.txt"))
    assert len(EXPECTED) == 10


def test_the_fields_are_those_of_the_table(row: dict[str, Any]) -> None:
    """Headline, byline, date, section and source are read from the furniture around the text."""
    parsed = dump.parse((SAMPLES / row["file"]).read_bytes())
    sources = parsed.story.get("infoSources", [{"name": None}])
    date = parsed.published_at.date().isoformat() if parsed.published_at else None
    assert {
        "headline": parsed.story["headlines"][0]["value"],
        "byline": parsed.story.get("by"),
        "date": date,
        "section": parsed.section,
        "source": sources[0]["name"],
    } == {key: row[key] for key in ("headline", "byline", "date", "section", "source")}


def test_the_body_is_the_storys_lines_and_no_others(row: dict[str, Any]) -> None:
    """The text hashes to what anyone can compute from the dump."""
    parsed = dump.parse((SAMPLES / row["file"]).read_bytes())
    body = parsed.story["bodies"][0]["value"]
    assert body == body_by_the_table(row)
    assert hashlib.sha256(body.encode()).hexdigest() == row["body_sha256"]
    assert body.startswith(row["first_words"])
    assert body.endswith(row["last_words"])


def test_a_dump_becomes_valid_ninjs_with_confidence(row: dict[str, Any]) -> None:
    """A page read well needs no human, and its story no mending."""
    parsed = dump.parse((SAMPLES / row["file"]).read_bytes())
    assert parsed.confidence >= dump.SURE_FROM
    assert dump.LOW_CONFIDENCE not in parsed.labels
    assert_valid(parsed.story)


def test_the_real_page_gives_its_story() -> None:
    """The seed: the masthead's date of 2025 does not win, and no furniture stands in the text."""
    page = material("seeds", "kashmir-story-page.txt").read_text(encoding="utf-8")
    parsed = dump.parse(page.encode())
    lines = [line.strip() for line in page.splitlines() if line.strip()]
    first = next(index for index, line in enumerate(lines) if line.startswith("A surge of Taliban wins"))
    last = next(index for index, line in enumerate(lines) if line.endswith("unseat the religious movement."))
    assert parsed.story["headlines"][0]["value"] == "Taliban wins close consulates; Tajikistan reinforces border"
    assert (parsed.story["by"], parsed.section) == ("Kashmir Dot Com", "World")
    assert parsed.published_at is not None
    assert parsed.published_at.date().isoformat() == "2021-07-06"
    assert parsed.story["bodies"][0]["value"] == "\n\n".join(lines[first : last + 1])
    assert_valid(parsed.story)


def test_scripts_leave_nothing_behind() -> None:
    """A script in a dump goes with its content; the phone number is copy and stays for others to flag."""
    parsed = dump.parse((SAMPLES / "09-script-and-phone.txt").read_bytes())
    text = json.dumps(parsed.story)
    assert "<" not in text
    assert "track(" not in text
    assert "+44 20 7946 0321" in text
    assert "markup-removed" in parsed.labels
