"""Is a replay asked for, followed to its end, and called off from a terminal?"""

import json
from typing import Any

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply, problem

PATH = "/v1/endpoints/ep_1/replays"
SINCE = "2026-11-23T12:00:00Z"


def replay(state: str, sent: int = 0, left: int | None = None, reason: str = "") -> dict[str, Any]:
    known = {"replay_id": "rpl_1", "endpoint_id": "ep_1", "state": state, "skipped": 0}
    return known | {"sent": sent, "left": left, "reason": reason}


def test_a_replay_is_followed_to_its_end(wire: Wire, fake: FakeWire) -> None:
    """What changes is told on stderr, once each; the end on stdout."""
    fake.on("POST", PATH, Reply(202, replay("requested")))
    looks = [replay("requested"), replay("running", 5, 40), replay("running", 5, 40), replay("done", 45, 0)]
    fake.on("GET", f"{PATH}/rpl_1", *(Reply(200, look) for look in looks))
    result = wire("replay", "ep_1", "--since", SINCE, "--every", "0.01")
    assert result.exit_code == Exit.OK, result.output
    assert fake.requests("POST", PATH)[0].json == {"since": SINCE}
    assert result.stderr.splitlines() == [
        "rpl_1 requested, 0 sent, 0 skipped",
        "rpl_1 running, 5 sent, 0 skipped, 40 releases left",
    ]
    assert result.stdout.splitlines() == ["rpl_1 done, 45 sent, 0 skipped, 0 releases left"]
    assert {one.key for one in fake.asked} == {"subscriber-key"}


def test_a_replay_that_fails_says_why(wire: Wire, fake: FakeWire) -> None:
    """And costs the exit code."""
    fake.on("POST", PATH, Reply(202, replay("requested")))
    fake.on("GET", f"{PATH}/rpl_1", Reply(200, replay("failed", 3, None, "the endpoint is disabled")))
    result = wire("replay", "ep_1", "--cursor", "e1-0-12", "--every", "0.01")
    assert (result.exit_code, "the endpoint is disabled" in result.stdout) == (Exit.FAILED, True)
    assert fake.requests("POST", PATH)[0].json == {"cursor": "e1-0-12"}


def test_nobody_has_to_wait_for_it(wire: Wire, fake: FakeWire) -> None:
    """With --no-wait it is asked for, and goes on by itself."""
    fake.on("POST", PATH, Reply(202, replay("requested")))
    result = wire("replay", "ep_1", "--since", SINCE, "--no-wait", "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (Exit.OK, "requested")
    assert [one.method for one in fake.asked] == ["POST"]


def test_a_replay_is_called_off(wire: Wire, fake: FakeWire) -> None:
    """That is what was asked for: 0."""
    fake.on("DELETE", f"{PATH}/rpl_1", Reply(200, replay("cancelled", 3)))
    result = wire("replay", "ep_1", "--cancel", "rpl_1")
    assert (result.exit_code, "cancelled" in result.stdout) == (Exit.OK, True)


@pytest.mark.parametrize(
    "arguments", [(), ("--since", SINCE, "--cursor", "e1-0-1"), ("--since", SINCE, "--cancel", "r")]
)
def test_one_thing_is_asked_at_a_time(wire: Wire, fake: FakeWire, arguments: tuple[str, ...]) -> None:
    """Neither nothing nor two things."""
    assert wire("replay", "ep_1", *arguments).exit_code == Exit.USAGE
    assert fake.asked == []


def test_a_refusal_is_told_as_it_was_said(wire: Wire, fake: FakeWire) -> None:
    """One goes on already."""
    fake.on("POST", PATH, problem(409, "rpl_0 goes on; wait for its end, or cancel it"))
    result = wire("replay", "ep_1", "--since", SINCE)
    assert (result.exit_code, "rpl_0" in result.stderr) == (Exit.FAILED, True)
