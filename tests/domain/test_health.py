"""The record of an endpoint's health says where its debts begin, and whether it says anything."""

from datetime import UTC, datetime

from shared.domain.health import CatchUp, EndpointHealth, Loose
from shared.domain.story import Lane

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_the_debts_begin_with_the_oldest_release_that_is_loose() -> None:
    """A position counts where a lane has nothing loose; a lane without either is not there."""
    owed = CatchUp(why="breaker", since=NOON, position={Lane.ROUTINE: 40}, loose={Lane.ROUTINE: (Loose(offset=7),)})
    assert owed.begins == {Lane.ROUTINE: 7}
    assert owed.model_copy(update={"loose": {}}).begins == {Lane.ROUTINE: 40}


def test_an_endpoint_that_does_well_needs_no_record() -> None:
    """Anything unusual does."""
    well = EndpointHealth(endpoint_id="ep_1")
    assert not well.says_something
    assert well.model_copy(update={"failing_since": NOON}).says_something
