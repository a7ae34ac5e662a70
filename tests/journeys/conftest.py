"""What a journey may ask for: the running wire, and the people who hold its keys."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.journeys.instance import Wire, a_wire_for_tests
from tests.journeys.people import Desk, Subscriber


@pytest.fixture(scope="package")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One whole instance for all journeys: every service, a real broker, a real Redis."""
    with a_wire_for_tests(tmp_path_factory.mktemp("wire")) as running:
        yield running


@pytest.fixture
async def desk(wire: Wire) -> AsyncIterator[Desk]:
    """Somebody who files."""
    async with Desk(wire) as person:
        yield person


@pytest.fixture
async def editor(wire: Wire) -> AsyncIterator[Desk]:
    """Somebody who decides."""
    async with Desk(wire, "editor") as person:
        yield person


@pytest.fixture
async def second_editor(wire: Wire) -> AsyncIterator[Desk]:
    """The second pair of eyes."""
    async with Desk(wire, "editor2") as person:
        yield person


@pytest.fixture
async def subscriber(wire: Wire) -> AsyncIterator[Subscriber]:
    """Somebody who wants stories."""
    async with Subscriber(wire) as person:
        yield person


@pytest.fixture
async def other_subscriber(wire: Wire) -> AsyncIterator[Subscriber]:
    """Somebody else who wants stories."""
    async with Subscriber(wire, "subscriber2") as person:
        yield person
