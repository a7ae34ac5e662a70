"""What is an endpoint owed that no list of deliveries has yet? As `health` and `/v1/deliveries` show it."""

from services.gateway.context import Gateway
from services.gateway.routes.endpoint_shapes import ShownCatchUp, catch_up_of
from shared.domain.story import Lane


def owed_to(ours: Gateway, endpoint_id: str) -> ShownCatchUp | None:
    """From memory alone: nobody asks the broker because an owner looks."""
    view, followed = ours.replays.view, ours.followed
    ends = {lane: followed.position.of(lane) for lane in Lane} if followed.loaded else None
    return catch_up_of(view.health(endpoint_id), view.debt(endpoint_id), ends)
