"""Does tail show each release once, whatever the connection does, and remember its place?"""

import json
from pathlib import Path

import pytest

from cli.exits import Exit
from cli.tailing import frames_of
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, events, problem

STREAM = "/v1/stream"
HELLO = 'retry: 10\nid: 0-0\nevent: hello\ndata: {"resumed_from": "0-0"}'


def release(number: int, kind: str = "publish") -> str:
    item = {
        "kind": kind,
        "lane": "routine",
        "story_id": f"urn:{number}",
        "release_no": 1,
        "released_at": "2026-11-23T12:34:56.000Z",
        "story": {"headlines": [{"value": f"Headline {number}"}]} if kind == "publish" else {},
        "notice": None if kind == "publish" else "withdrawn",
    }
    return f"id: 0-{number}\nevent: story\ndata: {json.dumps(item)}"


def test_a_release_is_one_line(wire: Wire, fake: FakeWire) -> None:
    """Time, kind, lane, id, release and headline; a kill has its notice instead."""
    fake.on("GET", STREAM, events(HELLO, release(1), release(2, "kill")))
    result = wire("tail", "--limit", "2")
    assert result.exit_code == Exit.OK, result.output
    assert result.stdout.splitlines() == [
        "12:34:56  publish  routine  urn:1  r1  Headline 1",
        "12:34:56  kill     routine  urn:2  r1  withdrawn",
    ]


def test_a_broken_connection_is_taken_up_where_it_broke(wire: Wire, fake: FakeWire) -> None:
    """Over an ended stream, a gateway that is starting, and another stream: each release once."""
    fake.on("GET", STREAM, events(HELLO, release(1)), problem(503, "starting"), events(HELLO, release(2)))
    result = wire("tail", "--limit", "2")
    assert result.exit_code == Exit.OK
    assert [line.split()[3] for line in result.stdout.splitlines()] == ["urn:1", "urn:2"]
    assert [asked.headers.get("last-event-id") for asked in fake.requests("GET", STREAM)] == [None, "0-1", "0-1"]


def test_the_place_is_kept_in_a_file_over_two_runs(wire: Wire, fake: FakeWire, tmp_path: Path) -> None:
    """The second run goes on behind what the first has shown."""
    file = str(tmp_path / "cursor")
    fake.on("GET", STREAM, events(HELLO, release(1), release(2), release(3)))
    wire("tail", "--limit", "2", "--cursor-file", file)
    wire("tail", "--limit", "1", "--cursor-file", file)
    assert [asked.headers.get("last-event-id") for asked in fake.requests("GET", STREAM)] == [None, "0-2"]


def test_a_gap_is_never_silent(wire: Wire, fake: FakeWire) -> None:
    """What was missed is told between the releases."""
    gap = 'id: 0-9\nevent: gap\ndata: {"from": "0-1", "to": "0-9", "reason": "history"}'
    fake.on("GET", STREAM, events(HELLO, gap, release(10)))
    assert "0-1 to 0-9 (history)" in wire("tail", "--limit", "1").stdout


def test_json_shows_every_frame_as_it_came(wire: Wire, fake: FakeWire) -> None:
    """For programs: id, event and data, one object per line, hello included."""
    fake.on("GET", STREAM, events(HELLO, release(1)))
    frames = [json.loads(line) for line in wire("tail", "--json", "--limit", "1").stdout.splitlines()]
    assert [(frame["id"], frame["event"]) for frame in frames] == [("0-0", "hello"), ("0-1", "story")]


def test_filters_and_cursor_are_asked_for(wire: Wire, fake: FakeWire) -> None:
    """Names as in the API; the subscriber's key."""
    fake.on("GET", STREAM, events(HELLO, release(1)))
    options = ("--section", "world", "--keyword", "two words", "--urgency-max", "3", "--cursor", "4-5")
    assert wire("tail", "--limit", "1", *options).exit_code == Exit.OK
    [asked] = fake.requests("GET", STREAM)
    assert asked.query == {"sections": ["world"], "keywords": ["two words"], "urgency_max": ["3"]}
    assert (asked.headers["last-event-id"], asked.key) == ("4-5", "subscriber-key")


@pytest.mark.parametrize(("status", "code"), [(401, Exit.NO_ACCESS), (422, Exit.FAILED), (503, Exit.UNREACHABLE)])
def test_a_stream_that_is_refused_at_first_ends_the_command(
    wire: Wire, fake: FakeWire, status: int, code: Exit
) -> None:
    """Trying again would not help, or nobody knows yet that it would."""
    fake.on("GET", STREAM, problem(status, "no"))
    assert wire("tail").exit_code == code


def test_a_key_that_is_revoked_meanwhile_ends_the_command(wire: Wire, fake: FakeWire) -> None:
    """A later 401 is no broken connection."""
    fake.on("GET", STREAM, events(HELLO, release(1)), problem(401, "unknown key"))
    assert wire("tail").exit_code == Exit.NO_ACCESS


def test_frames_of_several_data_lines_and_comments_are_read() -> None:
    """As the format allows: comments are passed over, data lines joined."""
    lines = [": comment", "", "event: x", 'data: {"a":', "data: 1}", "id:7", "", "data: cut off"]
    frames = [frame for frame in frames_of(iter(lines)) if frame.event]
    assert [(frame.event, frame.data, frame.id) for frame in frames] == [("x", {"a": 1}, "7")]
