"""How is a kill finished that its own record knows of, and the story's state does not?

A crash came between the two, or an older state was written over the killed one. The kill's record is the truth.
"""

from shared.domain.events import Decision, from_epoch_us
from shared.domain.lifecycle import Deciding, Position, decide
from shared.domain.state import KillRecord, StoryState


def finished(state: StoryState, record: KillRecord, at: Position) -> StoryState:
    """Return the state with the kill in it; its newest entry is the cause's, with the notice as it was numbered.

    `at` is the input that is being taken: until its offset passes, the notice counts as unconfirmed.
    """
    decision = Decision(
        action="kill",
        decision_id=state.pending.decision_id if state.pending else record.cause,
        person="",  # whoever decided it stands in the record of the decision
        break_glass=True,
        replacement=record.replacement,
    )
    killed = decide(state, Deciding(record.cause, decision), from_epoch_us(record.at), at)
    *earlier, entry = killed.applied
    assert entry.release is not None
    numbered = {"release_no": record.release_no, "version": record.version, "supersedes": record.release_no - 1 or None}
    note = entry.release.model_copy(update=numbered)
    entry = entry.model_copy(update={"release": note, "version": record.version})
    return killed.model_copy(
        update={"killed": record, "release_no": record.release_no, "applied": (*earlier, entry)},
    )
