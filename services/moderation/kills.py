"""How is a kill finished that a crash left between its own record and the story's state?"""

from shared.domain.events import Decision
from shared.domain.lifecycle import Deciding, Position, decide
from shared.domain.state import KillRecord, StoryState
from shared.platform.clock import from_epoch_us


def finished(state: StoryState, record: KillRecord, at: Position) -> StoryState:
    """Return the state that would have been written after the kill; its entry is the cause's.

    `at` is the input that is being taken: until its offset passes, the kill's notice counts as unconfirmed.
    """
    decision = Decision(
        action="kill",
        decision_id=state.pending.decision_id if state.pending else record.cause,
        person="",  # whoever decided it stands in the record of the decision
        break_glass=True,
        replacement=record.replacement,
    )
    return decide(state, Deciding(record.cause, decision), from_epoch_us(record.at), at)
