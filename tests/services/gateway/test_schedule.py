"""The retry schedule as owners of endpoints are told it."""

from shared.domain.retry_schedule import STANDARD
from tests.services.gateway.twins import World


async def test_any_key_may_read_the_schedule_the_sender_works_by(wire: World) -> None:
    """Row by row what `retry.after_failure` decides on."""
    told = (await wire.http.get("/v1/retry-schedule", headers=wire.key("sue", "subscriber", subscriber="acme"))).json()
    rows = [(one["attempt"], one["wait_s"], one["after_s"]) for one in told["steps"]]
    assert rows == [(n, wait.total_seconds(), passed.total_seconds()) for n, wait, passed in STANDARD.table()]
    assert told["gives_up_after_s"] == rows[-1][2] == 72 * 3600


async def test_nobody_without_a_key_reads_it(wire: World) -> None:
    """Like every route."""
    assert (await wire.http.get("/v1/retry-schedule")).status_code == 401
