"""Does a kill take two people, and say whom it waits for?"""

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply, problem

KILL = "/v1/desk/stories/urn%3Ax/kill"
DECISION = "/v1/desk/decisions/d1"
CONFIRM = f"{DECISION}/confirm"


def decision(state: str, status: int = 202) -> Reply:
    return Reply(status, {"decision_id": "d1", "event_id": "d1", "state": state, "reason": None})


def test_a_kill_waits_for_a_second_person_and_says_how_to_confirm(wire: Wire, fake: FakeWire) -> None:
    """Exit code 3, and the command for the other editor."""
    fake.on("POST", KILL, decision("needs_second_person"))
    result = wire("kill", "urn:x", "--reason", "names a minor")
    assert result.exit_code == Exit.NEEDS_SOMEBODY
    assert "wire confirm d1" in result.stdout
    [asked] = fake.requests("POST", KILL)
    assert asked.key == "editor-key"
    assert asked.json == {"reason": "names a minor", "replacement": None, "break_glass": False}


@pytest.mark.parametrize(("confirm_as", "key"), [("editor2", "editor2-key"), ("sl_live_other", "sl_live_other")])
def test_it_is_confirmed_at_once_as_somebody_else(wire: Wire, fake: FakeWire, confirm_as: str, key: str) -> None:
    """A role of the local wire, or a key; it ends once the kill is applied."""
    fake.on("POST", KILL, decision("accepted"))
    fake.on("GET", DECISION, decision("needs_second_person", 200), decision("accepted", 200), decision("applied", 200))
    fake.on("POST", CONFIRM, decision("accepted"))
    assert wire("kill", "urn:x", "--reason", "r", "--confirm-as", confirm_as).exit_code == Exit.OK
    assert [one.key for one in fake.requests("POST", CONFIRM)] == [key]


def test_break_glass_needs_nobody_else(wire: Wire, fake: FakeWire) -> None:
    """It is asked for as such, and done when applied."""
    fake.on("POST", KILL, decision("accepted"))
    fake.on("GET", DECISION, decision("applied", 200))
    assert wire("kill", "urn:x", "--reason", "r", "--break-glass", "--replacement", "urn:y").exit_code == Exit.OK
    assert fake.requests("POST", KILL)[0].json == {"reason": "r", "replacement": "urn:y", "break_glass": True}


def test_the_same_person_may_not_confirm(wire: Wire, fake: FakeWire) -> None:
    """The wire says no; the command ends as without access."""
    fake.on("POST", CONFIRM, problem(403, "The first person cannot be the second."))
    result = wire("confirm", "d1")
    assert result.exit_code == Exit.NO_ACCESS
    assert "cannot be the second" in result.stderr


def test_confirm_uses_the_key_that_was_given(wire: Wire, fake: FakeWire) -> None:
    """On another machine the second editor has a key of their own."""
    fake.on("POST", CONFIRM, decision("applied"))
    assert wire("confirm", "d1", "--url", fake.url, "--key", "mine").exit_code == Exit.OK
    assert fake.requests("POST", CONFIRM)[0].key == "mine"


@pytest.mark.parametrize("state", ["refused", "cancelled", "expired"])
def test_a_kill_that_came_to_nothing_has_failed(wire: Wire, fake: FakeWire, state: str) -> None:
    """Nobody should think that the story is gone."""
    fake.on("POST", KILL, decision(state))
    assert wire("kill", "urn:x", "--reason", "r").exit_code == Exit.FAILED
