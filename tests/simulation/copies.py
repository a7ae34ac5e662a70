"""Which copy of the product is judged: the real one, or one that is broken on purpose."""

from dataclasses import dataclass, replace

from services.distribution.deliveries import Delivery
from services.distribution.dispatch import Dispatch
from services.moderation.handlers import Desk, Taken
from shared.domain.delivery import Verdict
from shared.domain.state import StoryState, StoryText
from shared.platform.records import Record


@dataclass(frozen=True, slots=True)
class Copy:
    """The parts that a broken copy replaces; `commits_first`: offsets pass before the effects of their records."""

    desk: type[Desk] = Desk
    dispatch: type[Dispatch] = Dispatch
    commits_first: bool = False


class Ungated(Dispatch):
    """Sends whatever is owed, without a look at what has become of the story."""

    __slots__ = ()

    def _verdict(self, delivery: Delivery) -> Verdict:
        return Verdict.SEND


class DeafToKills(Dispatch):
    """Asks the gate, and sends what a kill has ended all the same."""

    __slots__ = ()

    def _verdict(self, delivery: Delivery) -> Verdict:
        verdict = Dispatch._verdict(self, delivery)
        return Verdict.SEND if verdict is Verdict.KILLED else verdict


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
    "nothing is asked of the send gate": Copy(dispatch=Ungated),
    "a kill ends nothing that waits": Copy(dispatch=DeafToKills),
    "embargoes end by the machine's clock": Copy(desk=Hurried),
    "the output goes out before the state": Copy(desk=Hasty),
}
