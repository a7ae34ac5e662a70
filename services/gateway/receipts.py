"""What became of something that was answered with 202?"""

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, Field

from services.gateway.desk_view import DeskView
from services.gateway.in_transit import InTransit
from services.gateway.refusals import NotFound
from shared.domain.state import Applied, DecisionState, Outcome, StoryState, decision_of, receipt_of
from shared.platform.clock import Clock


class Receipt(BaseModel):
    """Where an input is now. `state` as in the interface, "Filing content"."""

    event_id: str
    state: Outcome = Field(examples=["released"])
    story_id: str = Field(examples=["urn:slugline:kdc:9f2c"])
    version: int | None = None
    release_no: int | None = None
    reason: str | None = None


_OF_KILL = {
    DecisionState.NEEDS_SECOND_PERSON: (Outcome.HELD, "a second person must confirm the kill"),
    DecisionState.EXPIRED: (Outcome.EXPIRED, "nobody confirmed it in time"),
    DecisionState.CANCELLED: (Outcome.CANCELLED, None),
    DecisionState.REFUSED: (Outcome.REFUSED, None),
}

WAIT_S: Final = 1.0
"""How long an id that nobody knows is waited for: its 202 may be quicker than its record is read here."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """Answers from the state of the story, else from what is on its way, else from what was parked."""

    desk: DeskView
    transit: InTransit
    clock: Clock
    wait_s: float = WAIT_S

    async def soon(self, event_id: str) -> Receipt:
        """Return the receipt; what was accepted a moment ago is waited for. Raises NotFound as `of` does."""
        try:
            return self.of(event_id)
        except NotFound:
            await self.transit.until_taken(event_id, self.wait_s)
            return self.of(event_id)

    def of(self, event_id: str) -> Receipt:
        """Return the receipt; raises NotFound for an id that is in no state and was not taken in lately."""
        if found := self.desk.entry(event_id):
            return self._of_entry(event_id, *found)
        if parked := self.transit.parked(event_id):
            return Receipt(event_id=event_id, state=Outcome.PARKED, story_id=parked.story_id, reason=parked.reason)
        if taken := self.transit.taken(event_id):
            return Receipt(event_id=event_id, state=Outcome.RECEIVED, story_id=taken.story_id, version=taken.version)
        raise NotFound("there is no receipt under this event_id")

    def _of_entry(self, event_id: str, state: StoryState, entry: Applied) -> Receipt:
        outcome, release_no, reason = receipt_of(state, entry)
        if outcome is Outcome.NEEDS_SECOND_PERSON:
            outcome, release_no, reason = self._of_kill(state, entry)
        return Receipt(
            event_id=event_id,
            state=outcome,
            story_id=state.story_id,
            version=entry.version,
            release_no=release_no,
            reason=reason,
        )

    def _of_kill(self, state: StoryState, entry: Applied) -> tuple[Outcome, int | None, str | None]:
        now = decision_of(state, entry.decision_id or entry.event_id, self.clock.now())
        if now is None or now[0] not in _OF_KILL:
            return Outcome.KILLED, state.killed.release_no if state.killed else None, None
        outcome, reason = _OF_KILL[now[0]]
        return outcome, None, now[1] or reason
