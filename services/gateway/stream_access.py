"""Who may listen to the stream, and to what?"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from services.gateway.knock import bearer
from services.gateway.refusals import NotFound
from services.gateway.registry import Registry
from services.gateway.stream.ports import Grant, HeaderView, Problem
from services.gateway.tickets import Ticket, Tickets
from services.gateway.visible import Visible
from shared.domain.products import Bounds
from shared.domain.state import Principal
from shared.platform.principals import PrincipalBook

_NOT_YET: Final = Problem(
    503, "Service Unavailable", "what this gateway must know is being read", headers=(("retry-after", "1"),)
)


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "Unauthorized", detail, headers=(("www-authenticate", "Bearer"),))


_NO_KEY: Final = _unauthorized("send a key: Authorization: Bearer sl_…")
_NO_TICKET: Final = _unauthorized("this ticket is used, over or unknown")


@dataclass(frozen=True, slots=True)
class StreamAccess:
    """`Authorize` of the stream: a key or a ticket, and the caller's own subscription if one is named."""

    book: PrincipalBook
    known: Callable[[], bool]
    registry: Registry
    tickets: Tickets
    visible: Visible

    def __call__(self, view: HeaderView) -> Grant | Problem:
        shown = view.param("ticket")
        ticket = self.tickets.read(shown) if shown else None
        principal = self._principal(view, ticket)
        if isinstance(principal, Problem):
            return principal
        if not self.known():
            return _NOT_YET
        products = self.visible(principal)
        claim = partial(self._claim, ticket) if ticket is not None else None
        subscription_id = view.param("subscription")
        if subscription_id is None:
            who = principal.subscriber or principal.person
            return Grant(who, key=principal.key_id, products=products, claim=claim)
        try:
            subscription = self.registry.subscription(principal, subscription_id).value
        except NotFound as missing:
            return Problem(404, "Not Found", str(missing))
        wanted, start = subscription.filter, subscription.start
        return Grant(subscription.subscriber, wanted, start, principal.key_id, products, claim)

    def why_not(self, key_id: str, products: Bounds) -> Literal["revoked", "products"] | None:
        """Tell why who was granted these products with this key may listen no longer; asked at every heartbeat."""
        principal = self.book.by_id(key_id)
        if principal is None:
            return "revoked"
        return None if self.visible(principal) == products else "products"

    async def _claim(self, ticket: Ticket) -> Problem | None:
        return None if await self.tickets.use(ticket) else _NO_TICKET

    def _principal(self, view: HeaderView, ticket: Ticket | None) -> Principal | Problem:
        """Whose key was shown, or stands in the ticket: a ticket is as good as its key is now."""
        shows_ticket = bool(view.param("ticket"))
        key = bearer(view.headers.get("authorization", "")) if not shows_ticket else None
        principal = self.book.by_id(ticket.key_id) if ticket else self.book.who(key) if key else None
        if principal is not None:
            return principal
        if not self.known():
            return _NOT_YET
        return _NO_TICKET if shows_ticket else _NO_KEY
