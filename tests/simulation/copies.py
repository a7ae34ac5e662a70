"""Which copy of the product is judged: the real one, or one that is broken on purpose."""

from dataclasses import dataclass

from services.distribution.deliveries import Delivery
from services.distribution.dispatch import Dispatch
from services.moderation.handlers import Desk
from shared.domain.delivery import Verdict
from shared.domain.state import StoryState, StoryText


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
    "the output goes out before the state": Copy(desk=Hasty),
}
