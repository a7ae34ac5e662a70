"""Does reseal walk to the end, say how far it is, and tell when the old key can go?"""

import json
from typing import Any

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply

PATH = "/v1/secrets/reseal"


def page(examined: int, resealed: int, following: str | None, unreadable: tuple[str, ...] = ()) -> Reply:
    body: dict[str, Any] = {"total": 3, "examined": examined, "resealed": resealed, "next": following}
    return Reply(200, body | {"unreadable": list(unreadable)})


def test_every_page_is_asked_for_with_the_cursor_of_the_one_before(wire: Wire, fake: FakeWire) -> None:
    """Progress goes to stderr, the sums to stdout; as the operator."""
    fake.on("POST", PATH, page(2, 2, "ep_2"), page(1, 1, None))
    result = wire("secrets", "reseal", "--json")
    assert [one.json["cursor"] for one in fake.requests("POST", PATH)] == [None, "ep_2"]
    assert {one.key for one in fake.asked} == {"operator-key"}
    assert result.stderr.splitlines() == ["2 of 3 endpoints", "3 of 3 endpoints"]
    assert json.loads(result.stdout) == {"examined": 3, "resealed": 3, "unreadable": []}


def test_the_old_key_can_go_once_nothing_was_sealed_anew(wire: Wire, fake: FakeWire) -> None:
    """Not after the first walk, which another gateway may have crossed."""
    fake.on("POST", PATH, page(3, 3, None), page(3, 0, None))
    first, second = wire("secrets", "reseal"), wire("secrets", "reseal")
    assert "once more" in first.stdout
    assert "can be dropped" in second.stdout
    assert (first.exit_code, second.exit_code) == (Exit.OK, Exit.OK)


def test_what_no_key_opens_fails_the_command(wire: Wire, fake: FakeWire) -> None:
    """By the endpoint's id, and nobody is told to drop a key."""
    fake.on("POST", PATH, page(3, 0, None, ("ep_2",)))
    result = wire("secrets", "reseal")
    assert result.exit_code == Exit.FAILED
    assert "ep_2" in result.stdout
    assert "dropped" not in result.stdout
