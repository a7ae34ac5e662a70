"""What an owner is told of how an endpoint does."""

from datetime import timedelta

from services.gateway.health_view import Debt
from shared.domain.health import CatchUp, EndpointHealth, Loose, Lost
from shared.domain.story import Lane
from shared.platform.topics import Topic, key_of
from tests.services.gateway.health_records import goes_to, tell
from tests.services.gateway.owners import call, register
from tests.services.gateway.twins import NOON, World, record

HOUR = timedelta(hours=1)


async def test_an_endpoint_nobody_complains_of_does_well(hooks: World) -> None:
    """There is no record of it, and no null where a state is expected."""
    health = (await register(hooks))["health"]
    assert health == {
        "state": "closed",
        "failing_since": None,
        "disables_at": None,
        "probe_at": None,
        "catch_up": None,
        "lost": [],
    }


async def test_a_failing_endpoint_shows_since_when_and_what_comes_of_it(hooks: World) -> None:
    """When it is tried next, when it would be disabled, what it is owed, and what is lost for good."""
    made = await register(hooks)
    known = EndpointHealth(
        endpoint_id=made["endpoint_id"],
        state="open",
        opened=2,
        probe_at=NOON + timedelta(minutes=5),
        failing_since=NOON - HOUR,
        disables_at=NOON + 71 * HOUR,
        catch_up=CatchUp(why="breaker", since=NOON, position={Lane.ROUTINE: 7}, loose={Lane.FLASH: (Loose(offset=3),)}),
        lost=(Lost(lane=Lane.ROUTINE, start=100, end=140, at=NOON),),
    )
    tell(hooks, known)
    goes_to(hooks, 20)
    shown = (await call(hooks, "GET", f"/v1/endpoints/{made['endpoint_id']}")).json()["health"]
    assert shown == {
        "state": "open",
        "failing_since": "2026-11-24T11:00:00.000Z",
        "disables_at": "2026-11-27T11:00:00.000Z",
        "probe_at": "2026-11-24T12:05:00.000Z",
        "catch_up": {
            "why": "breaker",
            "since": "2026-11-24T12:00:00.000Z",
            "begins": {"flash": 3, "routine": 7},
            "releases": 1 + 13,
            "until": "2026-11-24T12:05:00.000Z",
        },
        "lost": [{"lane": "routine", "releases": 40, "at": "2026-11-24T12:00:00.000Z"}],
    }
    listed = (await call(hooks, "GET", "/v1/endpoints")).json()["items"]
    assert listed[0]["health"] == shown


async def test_what_single_releases_are_owed_is_not_kept_here(hooks: World) -> None:
    """Memory stays the same whatever an endpoint is owed."""
    made = await register(hooks)
    owed = CatchUp(why="burst", since=NOON, loose={Lane.ROUTINE: tuple(Loose(offset=n) for n in range(100))})
    tell(hooks, EndpointHealth(endpoint_id=made["endpoint_id"], catch_up=owed))
    kept = hooks.gateway.replays.view.health(made["endpoint_id"]).catch_up
    assert kept is not None
    assert kept.loose == {}
    assert hooks.gateway.replays.view.debt(made["endpoint_id"]) == Debt({Lane.ROUTINE: 0}, {}, 100)


async def test_a_recovered_endpoint_does_well_again(hooks: World) -> None:
    """Its record is deleted."""
    made = await register(hooks)
    tell(hooks, EndpointHealth(endpoint_id=made["endpoint_id"], state="open"))
    hooks.gateway.replays.view.apply(record(Topic.ENDPOINT_HEALTH, key_of(made["endpoint_id"], "health"), None))
    assert (await call(hooks, "GET", f"/v1/endpoints/{made['endpoint_id']}")).json()["health"]["state"] == "closed"
