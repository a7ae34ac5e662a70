"""Fixtures of the gateway's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.services.gateway.twins import World, world


@pytest.fixture
async def wire() -> AsyncIterator[World]:
    """A gateway over twins, with keys still to be made."""
    async with world() as made:
        yield made


@pytest.fixture
def hooks(wire: World) -> World:
    """Two subscribers, and no endpoint yet."""
    wire.key("sue", "subscriber", subscriber="acme")
    wire.key("tom", "subscriber", subscriber="other")
    return wire
