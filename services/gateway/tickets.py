"""How does a browser open a stream, which cannot send a header? With a ticket: single use, short-lived."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.domain.state import Principal
from shared.platform.clock import Clock

LASTS: Final = timedelta(seconds=30)
MOST: Final = 10_000


@dataclass(slots=True)
class Tickets:
    """Tickets of this process, by value; the oldest go when there are too many."""

    clock: Clock
    _issued: "OrderedDict[str, tuple[Principal, datetime]]" = field(default_factory=OrderedDict)

    def issue(self, principal: Principal) -> tuple[str, datetime]:
        """Return a ticket that opens one stream as this principal, and when it ends."""
        until = self.clock.now() + LASTS
        ticket = f"tkt_{secrets.token_urlsafe(32)}"
        self._issued[ticket] = (principal, until)
        if len(self._issued) > MOST:
            self._issued.popitem(last=False)
        return ticket, until

    def redeem(self, ticket: str) -> Principal | None:
        """Return whose ticket it was; None for one that is used, over or unknown."""
        principal, until = self._issued.pop(ticket, (None, None))
        return principal if until is not None and until > self.clock.now() else None
