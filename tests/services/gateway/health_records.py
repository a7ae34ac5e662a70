"""How the gateway comes to know how endpoints do, and where the lanes end."""

from dataclasses import replace

from shared.domain.health import EndpointHealth
from shared.platform.topics import Topic, key_of
from tests.services.gateway.twins import World, record


def tell(wire: World, health: EndpointHealth) -> None:
    """Distribution writes it."""
    key = key_of(health.endpoint_id, "health")
    wire.gateway.replays.view.apply(record(Topic.ENDPOINT_HEALTH, key, health.model_dump_json().encode()))


def goes_to(wire: World, routine: int, flash: int = 0) -> None:
    """The lanes that this gateway reads end there."""
    for topic, end in ((Topic.RELEASED, routine), (Topic.RELEASED_FLASH, flash)):
        if end:
            wire.gateway.followed.apply(replace(record(topic, "urn:1", b""), offset=end - 1))
