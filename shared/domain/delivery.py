"""What a delivery is: its id, and the gate in front of the socket. The states of its tries: `events.Attempted`."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from typing import Final

from shared.domain.story import Kind
from shared.domain.subscription import Ordering

_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_TEN_BITS: Final = tuple(map("".join, product(_BASE32, repeat=2)))
"""How ten bits are written: the standard library goes digit by digit, which costs a tenth of a delivery."""
_SHIFTS: Final = tuple(range(150, -1, -10))


def delivery_id(story_id: str, release_no: int, endpoint_id: str) -> str:
    """Return the `webhook-id` of one release owed to one endpoint: the same over all tries and restarts."""
    return "dlv_" + _hashed(story_id, str(release_no), endpoint_id)


def told_id(event: str, endpoint_id: str, threshold: str, receiver: str) -> str:
    """Return the `webhook-id` of what is told of one endpoint to another one; `threshold`: when in which outage."""
    return "evt_" + _hashed(event, endpoint_id, threshold, receiver)


def _hashed(*parts: str) -> str:
    """Return 160 bits of a SHA-256 in lower-case base32 (RFC 4648, section 6)."""
    bits = int.from_bytes(hashlib.sha256("\t".join(parts).encode()).digest()[:20])
    return "".join([_TEN_BITS[bits >> shift & 1023] for shift in _SHIFTS])


@dataclass(frozen=True, slots=True)
class Standing:
    """What the gate knows of one story: release numbers, 0 for none.

    `withheld` is the release_no of the standing withhold (0 once lifted), `ended` that of the newest withhold,
    lifted or not; `killed` that of the kill.
    """

    newest: int = 0
    withheld: int = 0
    killed: int = 0
    ended: int = 0

    def after(self, kind: Kind, release_no: int) -> "Standing":
        """Return the standing once `release_no` is on the wire; older news changes nothing, but for a kill."""
        if kind is Kind.KILL:
            return replace(self, newest=max(self.newest, release_no), killed=self.killed or release_no)
        ended = max(self.ended, release_no) if kind is Kind.WITHHOLD else self.ended
        if release_no <= self.newest:
            return replace(self, ended=ended)
        return Standing(release_no, release_no if kind is Kind.WITHHOLD else 0, self.killed, ended)


class Verdict(StrEnum):
    """What the gate says of one delivery at the moment of writing to the socket."""

    SEND = "send"
    SUPERSEDED = "superseded"
    KILLED = "killed"


def gate(standing: Standing, kind: Kind, release_no: int, ordering: Ordering, endpoint_has: int = 0) -> Verdict:
    """Decide whether a release may leave for an endpoint that already has release `endpoint_has` (0: none).

    A kill is refused by nothing but a later kill of the same story (there is none). A withhold refuses what
    is older than it, also once it is lifted: what comes back is the release that lifts it. Under `latest` any
    newer release refuses an older one, under `every` only one that this endpoint already has.
    """
    if kind is Kind.KILL:
        return Verdict.SEND
    if standing.killed:
        return Verdict.KILLED
    if endpoint_has > release_no or release_no < max(standing.withheld, standing.ended):
        return Verdict.SUPERSEDED
    if ordering is Ordering.LATEST and release_no < standing.newest:
        return Verdict.SUPERSEDED
    return Verdict.SEND
