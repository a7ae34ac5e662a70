"""Who may listen to the stream, and to what?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from services.gateway.knock import bearer
from services.gateway.refusals import NotFound
from services.gateway.registry import Registry
from services.gateway.stream.ports import Grant, HeaderView, Problem
from services.gateway.tickets import Tickets
from services.gateway.visible import Visible
from shared.domain.products import Bounds
from shared.domain.state import Principal
from shared.platform.principals import PrincipalBook

_NOT_YET: Final = Problem(
    503, "Service Unavailable", "what this gateway must know is being read", headers=(("retry-after", "1"),)
)


@dataclass(frozen=True, slots=True)
class StreamAccess:
    """`Authorize` of the stream: a key or a ticket, and the caller's own subscription if one is named."""

    book: PrincipalBook
    known: Callable[[], bool]
    registry: Registry
    tickets: Tickets
    visible: Visible

    def __call__(self, view: HeaderView) -> Grant | Problem:
        principal = self._principal(view)
        if isinstance(principal, Problem):
            return principal
        if not self.known():
            return _NOT_YET
        products = self.visible(principal)
        subscription_id = view.param("subscription")
        if subscription_id is None:
            return Grant(principal.subscriber or principal.person, key=principal.key_id, products=products)
        try:
            subscription = self.registry.subscription(principal, subscription_id).value
        except NotFound as missing:
            return Problem(404, "Not Found", str(missing))
        return Grant(subscription.subscriber, subscription.filter, subscription.start, principal.key_id, products)

    def why_not(self, key_id: str, products: Bounds) -> Literal["revoked", "products"] | None:
        """Tell why who was granted these products with this key may listen no longer; asked at every heartbeat."""
        principal = self.book.by_id(key_id)
        if principal is None:
            return "revoked"
        return None if self.visible(principal) == products else "products"

    def _principal(self, view: HeaderView) -> Principal | Problem:
        ticket = view.param("ticket")
        key = bearer(view.headers.get("authorization", ""))
        principal = self.tickets.redeem(ticket) if ticket else self.book.who(key) if key else None
        if principal is not None:
            return principal
        if not self.known():
            return _NOT_YET
        detail = "this ticket is used, over or unknown" if ticket else "send a key: Authorization: Bearer sl_…"
        return Problem(401, "Unauthorized", detail, headers=(("www-authenticate", "Bearer"),))
