"""Do file and correct send what was meant, and end with the code that says what became of it?"""

import json
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply, problem

STORIES = "/v1/intake/stories"
RECEIPT = "/v1/desk/receipts/e1"
STORY = "https://news.example/a?b=1/2"
IN_PATH = "https%3A%2F%2Fnews.example%2Fa%3Fb%3D1%2F2"
ACCEPTED = Reply(202, {"event_id": "e1", "story_id": STORY, "version": 1, "lane": "routine"})


def receipt(state: str, **more: object) -> Reply:
    return Reply(200, {"event_id": "e1", "state": state, "story_id": STORY, "version": 1, **more})


@pytest.fixture
def page(tmp_path: Path) -> str:
    file = tmp_path / "story.txt"
    file.write_text("Bridge opens\nBy Ann Lee\n")
    return str(file)


def test_a_page_is_filed_as_text_with_the_desks_key(wire: Wire, fake: FakeWire, page: str) -> None:
    """Body, type, key and options arrive as the door wants them."""
    fake.on("POST", STORIES, ACCEPTED)
    fake.on("GET", RECEIPT, receipt("released", release_no=1))
    result = wire("file", page, "--urgency", "3", "--source", "kdc", "--idempotency-key", "k1")
    assert result.exit_code == Exit.OK, result.output
    [asked] = fake.requests("POST", STORIES)
    assert asked.body == b"Bridge opens\nBy Ann Lee\n"
    assert asked.headers["content-type"].startswith("text/plain")
    assert (asked.key, asked.headers["idempotency-key"]) == ("desk-key", "k1")
    assert asked.query == {"urgency": ["3"], "source": ["kdc"]}
    assert "released" in result.stdout


def test_ninjs_from_standard_input_is_filed_as_json(wire: Wire, fake: FakeWire) -> None:
    """`-` reads what is piped in; a brace tells JSON from a page."""
    fake.on("POST", STORIES, ACCEPTED)
    fake.on("GET", RECEIPT, receipt("released"))
    assert wire("file", "-", stdin='{"uri": "urn:x"}').exit_code == Exit.OK
    assert fake.requests("POST", STORIES)[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("released", Exit.OK),
        ("embargoed", Exit.OK),
        ("duplicate", Exit.OK),
        ("held", Exit.NEEDS_SOMEBODY),
        ("rejected", Exit.FAILED),
        ("superseded", Exit.FAILED),
        ("killed", Exit.FAILED),
        ("parked", Exit.FAILED),
    ],
)
def test_the_exit_code_says_what_became_of_it(wire: Wire, fake: FakeWire, page: str, state: str, code: Exit) -> None:
    """A script need not read the words."""
    fake.on("POST", STORIES, ACCEPTED)
    fake.on("GET", RECEIPT, receipt(state, reason="because"))
    result = wire("file", page)
    assert result.exit_code == code
    assert state in result.stdout
    assert "because" in result.stdout


def test_it_waits_for_a_receipt_that_says_more_than_received(wire: Wire, fake: FakeWire, page: str) -> None:
    """The first look-ups find nothing yet: that is no failure."""
    fake.on("POST", STORIES, ACCEPTED)
    fake.on("GET", RECEIPT, problem(404, "not yet"), receipt("received"), receipt("held"))
    assert wire("file", page).exit_code == Exit.NEEDS_SOMEBODY


def test_with_no_wait_the_receipt_is_not_asked_for(wire: Wire, fake: FakeWire, page: str) -> None:
    """Accepted is enough."""
    fake.on("POST", STORIES, ACCEPTED)
    result = wire("file", page, "--wait", "0", "--json")
    assert result.exit_code == Exit.OK
    assert json.loads(result.stdout)["state"] == "received"
    assert fake.requests("GET", RECEIPT) == []


def test_a_refusal_is_told_with_the_places_it_names(wire: Wire, fake: FakeWire, page: str) -> None:
    """The problem's own words, then one line per error, on stderr."""
    errors = [{"pointer": "/headlines", "message": "is missing"}, {"line": 3, "message": "no date here"}]
    fake.on("POST", STORIES, problem(422, "The story cannot be read.", errors=errors))
    result = wire("file", page)
    assert result.exit_code == Exit.FAILED
    assert result.stdout == ""
    assert "The story cannot be read." in result.stderr
    assert "/headlines: is missing" in result.stderr
    assert "line 3: no date here" in result.stderr


@pytest.mark.parametrize("arguments", [("absent.txt",), ("{empty}",), ("{page}", "--urgency", "9"), ()])
def test_what_cannot_be_filed_is_a_usage_error(
    wire: Wire, fake: FakeWire, page: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """No file, an empty one, an impossible urgency: nothing is sent."""
    empty = tmp_path / "empty"
    empty.touch()
    told = [each.format(empty=empty, page=page) for each in arguments]
    assert wire("file", *told).exit_code == Exit.USAGE
    assert fake.asked == []


def test_a_correction_from_fields_keeps_the_rest_of_what_it_changes(wire: Wire, fake: FakeWire) -> None:
    """Arrays are replaced whole, so the story as it is on the wire is asked for first."""
    headlines = [{"value": "Wrong"}, {"role": "short", "value": "Keep"}]
    fake.on("GET", f"/v1/stories/{IN_PATH}", Reply(200, {"story": {"headlines": headlines, "by": "Ann"}}))
    fake.on("POST", f"{STORIES}/{IN_PATH}/corrections", ACCEPTED)
    fake.on("GET", RECEIPT, receipt("released"))
    result = wire("correct", STORY, "--note", "It was Lee", "--field", "/headlines/0/value=Right = true")
    assert result.exit_code == Exit.OK, result.output
    assert fake.requests("POST", f"{STORIES}/{IN_PATH}/corrections")[0].json == {
        "note": "It was Lee",
        "fields": ["/headlines/0/value"],
        "story": {"headlines": [{"value": "Right = true"}, {"role": "short", "value": "Keep"}]},
    }


def test_a_correction_from_a_file_sends_the_file(wire: Wire, fake: FakeWire, tmp_path: Path) -> None:
    """Only the changed fields need be in it."""
    file = tmp_path / "fixed.json"
    file.write_text('{"by": "Ann Lee"}')
    fake.on("POST", f"{STORIES}/{IN_PATH}/corrections", ACCEPTED)
    fake.on("GET", RECEIPT, receipt("released"))
    assert wire("correct", STORY, str(file), "--note", "n", "--field", "/by").exit_code == Exit.OK
    [asked] = fake.requests("POST", f"{STORIES}/{IN_PATH}/corrections")
    assert asked.json == {"note": "n", "fields": ["/by"], "story": {"by": "Ann Lee"}}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--field", "/by=x"),
        ("--note", "n"),
        ("--note", "n", "--field", "/by"),
        ("--note", "n", "--field", "by=x"),
        ("--note", "n", "--field", "/headlines/7/value=x"),
    ],
)
def test_a_correction_without_its_parts_is_a_usage_error(
    wire: Wire, fake: FakeWire, arguments: tuple[str, ...]
) -> None:
    """No note, no field, no value, no pointer, a pointer into nothing: nothing is filed."""
    fake.on("GET", f"/v1/stories/{IN_PATH}", Reply(200, {"story": {"by": "Ann", "headlines": [{"value": "x"}]}}))
    assert wire("correct", STORY, *arguments).exit_code == Exit.USAGE
    assert fake.requests("POST", f"{STORIES}/{IN_PATH}/corrections") == []
