"""Can somebody at a terminal see who did what, and whether the record of it is whole?"""

from typing import Any

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply

AUDIT, VERIFY = "/v1/ops/audit", "/v1/ops/audit/verify"
AT = "2026-11-23T12:00:00.000Z"
LINE = {
    "at": AT,
    "actor": "ann",
    "action": "story.kill",
    "object": "urn:x:1",
    "detail": {"version": 2, "reason": "names a minor"},
    "writer": "gateway-0-1764000000000-beef",
    "n": 7,
    "partition": 0,
    "offset": 40,
}
FAULT = {"what": "changed", "writer": LINE["writer"], "n": 7, "partition": 0, "offset": 40, "why": "its bytes differ"}


def answer(**more: Any) -> Reply:
    found: dict[str, Any] = {"ok": True, "entries": 12, "writers": 2, "repeated": 0, "complete_since": None}
    return Reply(200, {**found, "faults": [], "more_faults": 0, **more})


def test_the_list_says_who_did_what_to_what(wire: Wire, fake: FakeWire) -> None:
    """What is asked for is passed on, with the operator's key."""
    fake.on("GET", AUDIT, Reply(200, {"items": [LINE]}))
    result = wire("audit", "list", "--actor", "ann", "--story", "urn:x:1", "--since", AT)
    for told in ("ann", "story.kill", "urn:x:1", "reason=names a minor"):
        assert told in result.stdout
    [asked] = fake.requests("GET", AUDIT)
    assert asked.query == {"actor": ["ann"], "story": ["urn:x:1"], "since": [AT], "limit": ["50"]}
    assert asked.key == "operator-key"


def test_a_whole_audit_is_said_to_be_whole(wire: Wire, fake: FakeWire) -> None:
    """With what was read, so that an empty one is seen."""
    fake.on("GET", VERIFY, answer())
    result = wire("audit", "verify")
    assert (result.exit_code, result.stdout) == (Exit.OK, "whole: 12 entries of 2 writers read\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_fault_is_named_and_somebody_is_needed(wire: Wire, fake: FakeWire, as_json: bool) -> None:
    """Writer, number, offset; exit code 3, for a script that pages somebody."""
    fake.on("GET", VERIFY, answer(ok=False, faults=[FAULT]))
    result = wire("audit", "verify", *(["--json"] if as_json else []))
    assert result.exit_code == Exit.NEEDS_SOMEBODY
    if not as_json:
        where = "gateway-0-1764000000000-beef entry 7 (partition 0, offset 40)"
        assert result.stdout.startswith(f"changed: {where}: its bytes differ\nNOT WHOLE: ")


def test_entries_that_may_be_gone_are_told(wire: Wire, fake: FakeWire) -> None:
    """Whoever reads the verdict knows from when on it holds."""
    fake.on("GET", VERIFY, answer(complete_since=AT))
    assert f"complete since {AT}" in wire("audit", "verify", "--since", AT).stdout
    assert fake.requests("GET", VERIFY)[0].query == {"since": [AT]}
