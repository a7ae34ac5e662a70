"""A bulk replay's record: where it lies, and whether anything is left to do."""

from datetime import UTC, datetime

import pytest

from shared.domain.replays import Replay, ReplayState
from shared.domain.story import Lane

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ASKED = Replay(
    replay_id="rp_1", endpoint_id="ep_1", subscriber="sub_1", since=NOON, asked_by="ann", asked_at=NOON, updated_at=NOON
)


def test_a_replay_comes_back_from_its_bytes() -> None:
    """Lanes are the keys of its places."""
    running = ASKED.model_copy(update={"state": "running", "end": {Lane.FLASH: 3, Lane.ROUTINE: 9}})
    assert Replay.model_validate_json(running.model_dump_json()) == running
    assert running.key_parts == ("ep_1", "replay", "rp_1")


@pytest.mark.parametrize(
    ("state", "goes_on"),
    [("requested", True), ("running", True), ("done", False), ("cancelled", False), ("failed", False)],
)
def test_only_what_was_asked_for_and_has_not_ended_goes_on(state: ReplayState, goes_on: bool) -> None:
    """A cancelled one is left alone."""
    assert ASKED.model_copy(update={"state": state}).goes_on is goes_on
