"""How does a browser open a stream, which cannot send a header? With a ticket: single use, short-lived, good in every
process."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from shared.domain.errors import Misconfigured
from shared.domain.state import Principal
from shared.platform.clock import Clock
from shared.platform.sealing import Sealer

LASTS: Final = timedelta(seconds=30)
REMEMBERED: Final = 2 * LASTS
"""How long a used one is known: its whole life, and more than any two processes' clocks may differ by."""
PREFIX: Final = "tkt_"
_KIND: Final = "stream-ticket"
"""What else is sealed with the same key says something else first."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says. `name` is sealed in it: the same however the ticket is written; alone it opens nothing."""

    name: str
    until: datetime
    key_id: str


class Stubs(Protocol):
    """Where all processes note which tickets were used; may forget at any moment, and never raises."""

    async def tear(self, name: str, lasts_s: float) -> bool:
        """Note that this one is used. False if it was used before; True also where nobody can tell."""
        ...


@dataclass(slots=True)
class Tickets:
    """Made by sealing, read by opening: nothing is kept of one before it is used, and its key is asked for then.

    Of those that were used each process knows its own, and `stubs` knows all. The stubs only ever take away: emptied
    or gone they let a ticket open one stream in each process instead of one in all, while its 30 seconds last.
    """

    clock: Clock
    sealer: Sealer
    stubs: Stubs
    _used: dict[str, datetime] = field(default_factory=dict)

    def issue(self, principal: Principal) -> tuple[str, datetime]:
        """Return a ticket that opens one stream with this principal's key, and when it ends."""
        until = self.clock.now() + LASTS
        said = (_KIND, secrets.token_urlsafe(16), str(int(until.timestamp() * 1000)), principal.key_id)
        return PREFIX + self.sealer.seal("\t".join(said)), until

    def read(self, value: str) -> Ticket | None:
        """Return what a ticket says, which uses up nothing; None for one that is over or none of ours."""
        try:
            kind, *said = self.sealer.open(value.removeprefix(PREFIX)).split("\t", 3)
        except Misconfigured:
            return None
        if kind != _KIND:
            return None
        name, until_ms, key_id = said
        ticket = Ticket(name, datetime.fromtimestamp(int(until_ms) / 1000, UTC), key_id)
        return ticket if ticket.until > self.clock.now() else None

    async def use(self, ticket: Ticket) -> bool:
        """Use it up; False if it is over, or was used here or, as far as the stubs know, in another process."""
        now = self.clock.now()
        self._forget(now)
        if ticket.until <= now or ticket.name in self._used:
            return False
        self._used[ticket.name] = now + REMEMBERED
        return await self.stubs.tear(ticket.name, REMEMBERED.total_seconds())

    def _forget(self, now: datetime) -> None:
        """Let go of those whose time is over; they lie in the order in which that comes."""
        while self._used and next(iter(self._used.values())) <= now:
            del self._used[next(iter(self._used))]
