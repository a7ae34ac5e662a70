"""Why does nothing come to an endpoint at the moment, and until when?"""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.health import EndpointHealth, Why
from shared.domain.subscription import Endpoint, EndpointState


@dataclass(frozen=True, slots=True)
class Wait:
    """Why it is not sent to; `until` it is tried next, where a time is set for that."""

    why: Why
    until: datetime | None = None


def wait_of(endpoint: Endpoint, health: EndpointHealth) -> Wait | None:
    """What a delivery waits for that is asked for now; None where it goes at once.

    One that catches up gets it in its turn, behind what it missed before. A disabled endpoint waits for nothing.
    """
    if endpoint.state is EndpointState.PAUSED:
        return Wait("paused")
    if endpoint.state is EndpointState.PENDING:
        return Wait("pending")
    if health.state != "closed":
        return Wait("breaker", health.probe_at)
    return None if health.catch_up is None or health.catch_up.why == "burst" else Wait(health.catch_up.why)
