"""Do lag, trace and keys show what operations needs, and tell scripts when somebody is needed?"""

import json
from typing import Any

import pytest

from cli.exits import Exit
from cli.operations import seconds
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply

LAG = "/v1/ops/lag"


def row(partition: int, **changed: Any) -> dict[str, Any]:
    return {
        "group": "matcher",
        "topic": "wire.story.released.v1",
        "partition": partition,
        "committed": 5,
        "end": 5,
        "lag": 0,
        "age_s": 0.0,
        "verdict": "OK",
        "why": "caught up",
        "drain_s": 0.0,
        **changed,
    }


STALLED = row(1, lag=7, age_s=90.0, verdict="STALL", why="7 records wait", drain_s=None)


def test_partitions_are_folded_and_the_worst_of_them_counts(wire: Wire, fake: FakeWire) -> None:
    """One row per reader and topic: lags add up, the oldest age and the worst verdict with its reason stand."""
    fake.on("GET", LAG, Reply(200, [row(0, lag=2, age_s=1.5), STALLED]))
    [folded] = json.loads(wire("lag", "--json").stdout)
    assert (folded["lag"], folded["age_s"], folded["verdict"]) == (9, 90.0, "STALL")
    assert folded["why"] == "7 records wait"
    assert fake.requests("GET", LAG)[0].key == "operator-key"


def test_the_table_says_what_is_unknown(wire: Wire, fake: FakeWire) -> None:
    """A reader without a commit has dashes, not zeros."""
    unknown = row(0, committed=None, lag=None, age_s=None, verdict=None, why="no commit", drain_s=None)
    fake.on("GET", LAG, Reply(200, [unknown]))
    line = wire("lag").stdout.splitlines()[1]
    assert line.split() == ["-", "-", "-", "-", "matcher", "wire.story.released.v1", "no", "commit"]


def test_every_partition_has_its_row_if_asked(wire: Wire, fake: FakeWire) -> None:
    """With its number behind the topic."""
    fake.on("GET", LAG, Reply(200, [STALLED, row(0)]))
    shown = wire("lag", "--partitions").stdout
    assert "wire.story.released.v1[0]" in shown
    assert "wire.story.released.v1[1]" in shown


@pytest.mark.parametrize(("rows", "code"), [([row(0)], Exit.OK), ([row(0), STALLED], Exit.NEEDS_SOMEBODY)])
def test_check_ends_with_3_when_a_reader_is_not_well(
    wire: Wire, fake: FakeWire, rows: list[dict[str, Any]], code: Exit
) -> None:
    """For scripts; without --check a look is just a look."""
    fake.on("GET", LAG, Reply(200, rows))
    assert wire("lag", "--check").exit_code == code
    assert wire("lag").exit_code == Exit.OK


@pytest.mark.parametrize(
    ("value", "told"), [(None, "-"), (0.0, "0 s"), (1.25, "1.2 s"), (600.0, "10 min"), (9000.0, "2.5 h")]
)
def test_seconds_are_told_for_people(value: float | None, told: str) -> None:
    """As coarse as it matters."""
    assert seconds(value) == told


def test_a_trace_shows_hops_with_times_and_what_is_waited_for(wire: Wire, fake: FakeWire) -> None:
    """The place of each record is there, so that it can be looked at."""
    hop = {
        "hop": "due",
        "at": "2026-11-23T12:00:00.250Z",
        "ms": 250,
        "topic": "wire.delivery.due.v1",
        "partition": 3,
        "offset": 41,
        "version": 1,
        "release_no": 2,
        "details": {"endpoints": 5},
    }
    wait = {"waiting_for": "process", "stage": "deliverer", "since": "2026-11-23T12:00:00.250Z", "why": "not finished"}
    flight = {"story_id": "urn:x/y", "waiting": [wait], "hops": [hop], "stages_s": {"released": 0.06}}
    fake.on("GET", "/v1/ops/stories/urn%3Ax%2Fy", Reply(200, flight))
    result = wire("trace", "urn:x/y")
    assert result.exit_code == Exit.OK, result.output
    for told in ("wire.delivery.due.v1[3]@41", "+250 ms", "5 endpoints", "waits for process", "released 60.0 ms"):
        assert told in result.stdout


def test_keys_are_made_listed_and_revoked(wire: Wire, fake: FakeWire) -> None:
    """With the operator's key; the value of a new one is printed once."""
    key = {"key_id": "key_1", "prefix": "sl_local", "person": "ann", "scopes": ["subscriber"], "subscriber": "acme"}
    fake.on("POST", "/v1/keys", Reply(201, {**key, "key": "sl_local_value"}))
    fake.on("GET", "/v1/keys", Reply(200, {"items": [key]}))
    fake.on("DELETE", "/v1/keys/key_1", Reply(204))
    made = wire("keys", "create", "--person", "ann", "--scope", "subscriber", "--subscriber", "acme")
    assert made.stdout.splitlines()[0] == "sl_local_value"
    assert "acme" in wire("keys", "list").stdout
    assert wire("keys", "revoke", "key_1").exit_code == Exit.OK
    assert fake.requests("POST", "/v1/keys")[0].json == {
        "person": "ann",
        "scopes": ["subscriber"],
        "subscriber": "acme",
    }
    assert {asked.key for asked in fake.asked} == {"operator-key"}
