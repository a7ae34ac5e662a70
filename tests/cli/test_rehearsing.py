"""Can somebody at a terminal find out why a story came or did not, and what a filter would bring?"""

import json
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply, problem

EXPLAIN, REHEARSE = "/v1/subscriptions/sub_1/explain", "/v1/subscriptions/rehearse"
EXPLAINED = {
    "subscription_id": "sub_1",
    "story_id": "urn:x:1",
    "version": 2,
    "release_no": 3,
    "kind": "update",
    "owed": False,
    "why": "clause",
    "words": "Does not go out: places wants TJ, the story has US.",
    "deciding": [{"field": "places", "passed": False, "wanted": ["TJ"], "found": ["US"]}],
    "clauses": [
        {"field": "places", "passed": False, "wanted": ["TJ"], "found": ["US"]},
        {"field": "keywords", "passed": True, "wanted": ["ferry", "bridge"], "found": []},
    ],
}
REHEARSED = {
    "since": "2026-11-17T12:00:00.000Z",
    "until": "2026-11-24T12:00:00.000Z",
    "complete": True,
    "looked_back_to": "2026-11-17T12:00:00.000Z",
    "looked_at": 4210,
    "matches": 83,
    "lanes": {"flash": 3, "routine": 80},
    "days": [{"day": "2026-11-24", "matches": 83, "lanes": {"flash": 3, "routine": 80}}],
    "sample": [
        {"story_id": "urn:x:1", "headline": "Bridge opens", "lane": "flash", "released_at": "2026-11-24T11:00:00.000Z"}
    ],
}


def test_the_sentence_that_decides_stands_above_the_clauses(wire: Wire, fake: FakeWire) -> None:
    """With what each wants and what the story has."""
    fake.on("GET", EXPLAIN, Reply(200, EXPLAINED))
    result = wire("subscriptions", "explain", "sub_1", "urn:x:1")
    assert result.exit_code == Exit.OK, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == ["urn:x:1  version 2, release 3 (update)", EXPLAINED["words"]]
    assert [line.split() for line in lines[4:]] == [
        ["places", "no", "TJ", "US"],
        ["keywords", "yes", "ferry,", "bridge", "-"],
    ]
    [asked] = fake.requests("GET", EXPLAIN)
    assert (asked.query, asked.key) == ({"story_id": ["urn:x:1"]}, "subscriber-key")


def test_a_story_nobody_can_read_is_not_found(wire: Wire, fake: FakeWire) -> None:
    """With the wire's own words."""
    fake.on("GET", EXPLAIN, problem(404, "there is no released story under this id"))
    result = wire("subscriptions", "explain", "sub_1", "urn:x:1")
    assert result.exit_code == Exit.NOT_FOUND
    assert "no released story" in result.stderr


def test_a_rehearsal_shows_days_and_the_newest(wire: Wire, fake: FakeWire) -> None:
    """The filter is made of the options."""
    fake.on("POST", REHEARSE, Reply(200, REHEARSED))
    result = wire("subscriptions", "rehearse", "--section", "world", "--keyword", "ferry", "--days", "14")
    lines = result.stdout.splitlines()
    assert lines[0] == "83 of 4210 stories since 2026-11-17T12:00:00.000Z (flash 3, routine 80)"
    assert lines[3].split() == ["2026-11-24", "83", "3", "80"]
    assert lines[-1].endswith("flash  urn:x:1  Bridge opens")
    [asked] = fake.requests("POST", REHEARSE)
    assert asked.json == {"filter": {"sections": ["world"], "keywords": ["ferry"]}, "days": 14}


def test_a_rehearsal_that_met_its_bounds_says_so(wire: Wire, fake: FakeWire) -> None:
    """Else fewer matches would look like a narrower filter."""
    fake.on("POST", REHEARSE, Reply(200, {**REHEARSED, "complete": False, "sample": []}))
    assert "2026-11-17T12:00:00.000Z was asked for" in wire("subscriptions", "rehearse").stdout


def test_a_filter_is_read_from_a_file_and_options_go_over_it(wire: Wire, fake: FakeWire, tmp_path: Path) -> None:
    """Also from standard input; the answer itself as JSON."""
    fake.on("POST", REHEARSE, Reply(200, REHEARSED))
    draft = tmp_path / "draft.json"
    draft.write_text(json.dumps({"places": ["TJ"], "urgency_max": 2}))
    shown = wire("subscriptions", "rehearse", "--filter", str(draft), "--urgency-max", "3", "--json")
    assert json.loads(shown.stdout) == REHEARSED
    wire("subscriptions", "rehearse", "--filter", "-", stdin='{"not": {"sources": ["desk"]}}')
    filters = [asked.json["filter"] for asked in fake.requests("POST", REHEARSE)]
    assert filters == [{"places": ["TJ"], "urgency_max": 3}, {"not": {"sources": ["desk"]}}]


@pytest.mark.parametrize("told", ["[]", "no json", ""])
def test_a_file_that_holds_no_filter_is_a_matter_of_usage(wire: Wire, fake: FakeWire, told: str) -> None:
    """Nothing is asked of the wire."""
    result = wire("subscriptions", "rehearse", "--filter", "-", stdin=told)
    assert result.exit_code == Exit.USAGE
    assert fake.asked == []
