"""Do those who lose the shared tokens go by their own, and come back by themselves?"""

import json
from collections.abc import Sequence

import pytest

from shared.platform.logs import configure_logs
from shared.platform.rates import AWAY_S, Ask, Grant, GrantsAway, OwnGrants, OwnWhileAway

pytestmark = pytest.mark.usefixtures("logs_as_before")
ASK = Ask("request", "k", 40.0)


class Place:
    """Where tokens lie; counts how often it was asked, and can be away."""

    def __init__(self, now: list[float]) -> None:
        self.asked, self.away = 0, False
        self._grants = OwnGrants(lambda: now[0])

    async def grant(self, asks: Sequence[Ask]) -> Sequence[Grant]:
        self.asked += 1
        if self.away:
            raise GrantsAway("gone")
        return await self._grants.grant(asks)


async def test_while_the_shared_tokens_are_away_our_own_are_given() -> None:
    """The shared place is asked again once a second, and used as soon as it answers."""
    now = [1_000.0]
    shared, own = Place(now), Place(now)
    grants = OwnWhileAway("requests", shared, own, lambda: now[0])
    shared.away = True
    for _ in range(5):
        assert (await grants.grant([ASK]))[0].tokens == 2
    assert (shared.asked, own.asked) == (1, 5)
    now[0] += AWAY_S
    await grants.grant([ASK])
    assert (shared.asked, own.asked) == (2, 6)
    shared.away = False
    now[0] += AWAY_S
    for _ in range(3):
        await grants.grant([ASK])
    assert (shared.asked, own.asked) == (5, 6)


async def test_the_log_tells_once_that_they_are_away_and_once_that_they_are_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """However long it lasts: an outage is two lines, not one a second."""
    configure_logs("gateway", "json", "info")
    now = [1_000.0]
    shared = Place(now)
    grants = OwnWhileAway("requests", shared, Place(now), lambda: now[0])
    for shared.away in (False, True, True, True, False, False):
        await grants.grant([ASK])
        now[0] += AWAY_S
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["of"], line.get("reason")) for line in told] == [
        ("rates.alone", "requests", "gone"),
        ("rates.shared", "requests", None),
    ]
