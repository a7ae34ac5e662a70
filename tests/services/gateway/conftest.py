"""Fixtures of the gateway's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.services.gateway.twins import World, world


@pytest.fixture
async def wire() -> AsyncIterator[World]:
    """A gateway over twins, with keys still to be made."""
    async with world() as made:
        yield made
