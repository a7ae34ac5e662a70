"""Can somebody at a terminal find what is dead, look at it, and send it back?"""

import base64
import json
from typing import Any

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply, problem

DEAD, REDRIVE = "/v1/ops/dead", "/v1/ops/dead/redrive"
TOPIC = "wire.dead.moderation.v1"
AT = "2026-11-23T12:00:00.000Z"
PARKED = b"\xff\x00 not text"
LETTER = {
    "service": "moderation",
    "topic": TOPIC,
    "partition": 0,
    "offset": 12,
    "at": AT,
    "key": "urn:x",
    "fingerprint": "f00d",
    "error": "Undecodable",
    "reason": "no JSON",
    "attempts": 2,
    "redriven": 1,
    "from_topic": "wire.desk.inbox.v1",
    "bytes": None,
}
GROUP = {
    "service": "moderation",
    "fingerprint": "f00d",
    "count": 41,
    "oldest": AT,
    "newest": AT,
    "error": "Undecodable",
    "reason": "no JSON",
    "from_topic": "wire.desk.inbox.v1",
}
SHOWN = f"{DEAD}/{TOPIC}/0/12"


def row(outcome: str) -> dict[str, Any]:
    to = {"to_topic": "wire.desk.inbox.v1", "to_partition": 4, "to_offset": 99}
    return {"topic": TOPIC, "partition": 0, "offset": 12, "outcome": outcome, "redrive_id": "r", **to}


def test_the_list_shows_causes_with_their_counts_and_places_to_go_on_with(wire: Wire, fake: FakeWire) -> None:
    """What is asked for is passed on; the cursor of the next page is told."""
    fake.on("GET", DEAD, Reply(200, {"items": [LETTER], "groups": [GROUP], "next": "1~t~0~12"}))
    result = wire("dead", "list", "--service", "moderation", "--since", AT, "--limit", "1")
    assert result.exit_code == Exit.OK, result.output
    for told in ("41", "Undecodable: no JSON", "moderation/0/12", "--cursor 1~t~0~12"):
        assert told in result.stdout
    [asked] = fake.requests("GET", DEAD)
    assert asked.query == {"service": ["moderation"], "since": [AT], "limit": ["1"]}
    assert asked.key == "operator-key"


def test_the_list_is_the_answer_itself_as_json(wire: Wire, fake: FakeWire) -> None:
    """For scripts."""
    answer = {"items": [LETTER], "groups": [GROUP], "next": None}
    fake.on("GET", DEAD, Reply(200, answer))
    assert json.loads(wire("dead", "list", "--json").stdout) == answer


@pytest.mark.parametrize("place", ["moderation/0/12", f"{TOPIC}/0/12", f"{TOPIC}[0]@12"])
def test_a_letter_is_shown_by_its_place_in_any_form(wire: Wire, fake: FakeWire, place: str) -> None:
    """The list's form, the full topic's, and that of log lines and the audit; without the bytes."""
    fake.on("GET", SHOWN, Reply(200, {**LETTER, "headers": {"ce_id": "e1"}}))
    result = wire("dead", "show", place)
    assert "no JSON" in result.stdout
    assert result.stdout.splitlines()[-1].split() == ["header", "ce_id", "e1"]
    assert fake.requests("GET", SHOWN)[0].query == {}


def test_the_bytes_are_written_as_they_are(wire: Wire, fake: FakeWire) -> None:
    """Nothing is added, so that a file of them is the record."""
    fake.on("GET", SHOWN, Reply(200, {**LETTER, "bytes": base64.b64encode(PARKED).decode()}))
    assert wire("dead", "show", "moderation/0/12", "--bytes").stdout_bytes == PARKED
    assert fake.requests("GET", SHOWN)[0].query == {"bytes": ["1"]}


def test_one_letter_is_redriven_by_its_place(wire: Wire, fake: FakeWire) -> None:
    """And the answer says where it lies now."""
    fake.on("POST", REDRIVE, Reply(200, {"items": [row("redriven")], "left": 0}))
    result = wire("dead", "redrive", "moderation/0/12")
    assert result.stdout == "redriven moderation/0/12 to wire.desk.inbox.v1[4]@99\n"
    place = {"topic": TOPIC, "partition": 0, "offset": 12}
    assert fake.requests("POST", REDRIVE)[0].json == {**place, "rate": 50.0, "again": False}


def test_a_cause_is_redriven_and_what_is_left_is_told(wire: Wire, fake: FakeWire) -> None:
    """With the pace and the limit that were asked for."""
    fake.on("POST", REDRIVE, Reply(200, {"items": [row("redriven"), row("gone")], "left": 7}))
    arguments = ("--service", "moderation", "--fingerprint", "f00d", "--limit", "2", "--rate", "5", "--again")
    lines = wire("dead", "redrive", *arguments).stdout.splitlines()
    assert lines[1:] == ["gone moderation/0/12", "7 left: the same command goes on with them"]
    cause = {"service": "moderation", "fingerprint": "f00d", "limit": 2, "rate": 5.0, "again": True}
    assert fake.requests("POST", REDRIVE)[0].json == cause


def test_what_went_back_before_is_no_failure(wire: Wire, fake: FakeWire) -> None:
    """The letter is where it was wanted."""
    fake.on("POST", REDRIVE, Reply(200, {"items": [row("already")], "left": 0}))
    result = wire("dead", "redrive", "moderation/0/12")
    assert (result.exit_code, result.stdout.startswith("already redriven")) == (Exit.OK, True)


def test_what_has_no_way_back_is_a_refusal_in_the_answers_words(wire: Wire, fake: FakeWire) -> None:
    """1, as for every refusal."""
    fake.on("POST", REDRIVE, problem(409, "file it again"))
    result = wire("dead", "redrive", "ingest/0/1")
    assert (result.exit_code, result.stderr) == (Exit.FAILED, "file it again\n")


def test_a_letter_that_is_not_there_is_not_found(wire: Wire) -> None:
    """4."""
    assert wire("dead", "show", "moderation/0/13").exit_code == Exit.NOT_FOUND


@pytest.mark.parametrize(
    "arguments",
    [
        ("redrive",),
        ("redrive", "--service", "moderation"),
        ("redrive", "moderation/0/12", "--fingerprint", "f00d"),
        ("redrive", "moderation-0-12"),
        ("show", "moderation/0"),
    ],
)
def test_a_command_that_names_nothing_clearly_is_wrong_usage(
    wire: Wire, fake: FakeWire, arguments: tuple[str, ...]
) -> None:
    """2, and nothing is asked of the wire."""
    assert wire("dead", *arguments).exit_code == Exit.USAGE
    assert fake.asked == []
