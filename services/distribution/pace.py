"""How long has an endpoint's next delivery to wait for its own rate, or for that of its subscriber?"""

from dataclasses import dataclass

from services.distribution.registry import Registry
from services.distribution.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Pace:
    """Asked by the queues before each delivery; takes a token when it may go. `subscriber_rate`: for all endpoints of
    one subscriber together, in deliveries per second; None for no limit.
    """

    registry: Registry
    throttle: Throttle
    subscriber_rate: float | None = None

    def __call__(self, endpoint_id: str) -> float:
        """Return 0.0 when it may go, or the seconds until it is worth asking again."""
        endpoint = self.registry.endpoints.get(endpoint_id)
        if endpoint is None or (endpoint.rate_limit is None and self.subscriber_rate is None):
            return 0.0
        return self.throttle.take(
            endpoint_id, endpoint.rate_limit, endpoint.subscriber, self.subscriber_rate, self.throttle.clock()
        )

    def unspent(self, endpoint_id: str) -> None:
        """The one that was let go last was not sent after all."""
        endpoint = self.registry.endpoints.get(endpoint_id)
        if endpoint is not None:
            self.throttle.give_back(endpoint_id, endpoint.rate_limit, endpoint.subscriber, self.subscriber_rate)
