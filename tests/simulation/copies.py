"""Which copy of the product is judged: the real one, or one that is broken on purpose."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.distribution.catching_up import CatchingUp
from services.distribution.condition import Condition
from services.distribution.conditions import Conditions
from services.distribution.deliveries import Delivery
from services.distribution.detour import Detour, Place
from services.distribution.dispatch import Dispatch
from services.gateway.stream.gate import Gate, Passed, Refused, Release
from services.gateway.stream.hub import StreamHub
from services.gateway.stream.positions import Position
from services.moderation.handlers import Desk, Taken
from shared.domain.delivery import Verdict
from shared.domain.events import StoryReleased
from shared.domain.health import Loose
from shared.domain.state import StoryState, StoryText
from shared.platform.records import Record
from tests.simulation.log import Crash


@dataclass(frozen=True, slots=True)
class Copy:
    """The parts that a broken copy replaces.

    `commits_first`: offsets pass before the effects of their records. `acks_errors`: a record whose handling failed
    passes like any other, and the process goes on.
    """

    desk: type[Desk] = Desk
    dispatch: type[Dispatch] = Dispatch
    conditions: type[Conditions] = Conditions
    reader: type[CatchingUp] = CatchingUp
    hub: type[StreamHub] = StreamHub
    commits_first: bool = False
    acks_errors: bool = False

    async def handled(self, handling: Awaitable[None]) -> None:
        """Wait for a handler as the copy's loop does."""
        try:
            await handling
        except Crash:
            if not self.acks_errors:
                raise


class Ungated(Dispatch):
    """Sends whatever is owed, without a look at what has become of the story."""

    __slots__ = ()

    def _verdict(self, delivery: Delivery, has: int) -> Verdict:
        return Verdict.SEND


class DeafToKills(Dispatch):
    """Asks the gate, and sends what a kill has ended all the same."""

    __slots__ = ()

    def _verdict(self, delivery: Delivery, has: int) -> Verdict:
        verdict = Dispatch._verdict(self, delivery, has)
        return Verdict.SEND if verdict is Verdict.KILLED else verdict


class Numberless(Dispatch):
    """Asks the gate, and does not look at what number it is that a newer release has overtaken."""

    __slots__ = ()

    def _verdict(self, delivery: Delivery, has: int) -> Verdict:
        verdict = Dispatch._verdict(self, delivery, has)
        return Verdict.SEND if verdict is Verdict.SUPERSEDED else verdict


class TooFarAhead(CatchingUp):
    """Goes on behind a delivery once it is handed out, whatever becomes of it."""

    __slots__ = ()

    def _hand_out(self, condition: Condition, detour: Detour, place: Place, event: StoryReleased, loose: Loose) -> None:
        CatchingUp._hand_out(self, condition, detour, place, event, loose)
        detour.answered(place)


class Trusting(Conditions):
    """Lets releases pass on the strength of a record that is not written yet."""

    __slots__ = ()

    async def _confirm(self, condition: Condition, detour: Detour, places: Sequence[tuple[Place, int]]) -> None:
        condition.confirmed = condition.confirmed or detour.record(self.clock.now())


class Open(Gate):
    """Refuses nobody anything."""

    def judge(self, release: Release, position: Position, also: Passed | None = None) -> Refused | None:
        return None


class UngatedHub(StreamHub):
    """Writes whatever comes off the lanes."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._wire.gate.__class__ = Open


class Hurried(Desk):
    """Takes the time from its own machine, not from the broker."""

    __slots__ = ()

    async def handle(self, record: Record, event: Taken) -> None:
        own = round(self.clock.now().timestamp() * 1000)
        await Desk.handle(self, replace(record, timestamp_ms=own), event)


class Hasty(Desk):
    """Puts a release on the wire before the state that explains it is written."""

    __slots__ = ()

    async def _keep(self, after: StoryState, text: StoryText | None = None) -> None:
        await self._put_out(after, text)
        await Desk._keep(self, after, text)


REAL = Copy()
BROKEN = {
    "the offset is committed before the effect": Copy(commits_first=True),
    "a record that failed is acknowledged": Copy(acks_errors=True),
    "release numbers are not compared": Copy(dispatch=Numberless),
    "nothing is asked of the send gate": Copy(dispatch=Ungated),
    "nothing is asked of the stream's gate": Copy(hub=UngatedHub),
    "a position goes ahead of the answers": Copy(reader=TooFarAhead),
    "a release passes before the log owes it": Copy(conditions=Trusting),
    "a kill ends nothing that waits": Copy(dispatch=DeafToKills),
    "embargoes end by the machine's clock": Copy(desk=Hurried),
    "the output goes out before the state": Copy(desk=Hasty),
}
