"""Which correction came before what it corrects, and when has that come?

A correction changes the version before it. Filed as flash it may overtake that one; a provider's may come in any order.
It waits then, unmerged, and is taken as if it came now when the version before it has come.
"""

from shared.domain.events import StoryEnriched, derived_id
from shared.domain.state import Stage, StoryState, StoryText, VersionState


def awaited(state: StoryState, event: StoryEnriched) -> int | None:
    """Return the version that a correction must wait for; None where it can be merged, or never will.

    An assigned number is the door's guess, so such a correction waits only where there is nothing to correct at all.
    """
    before = (event.version or 0) - 1
    if event.data.correction is None or state.killed or before < 1:
        return None
    behind = state.newest < (1 if event.data.assigned else before)
    return before if behind else None


def ready(state: StoryState, claimed: int) -> VersionState | None:
    """Return the first correction whose base has come; `claimed` is the version of the filing just taken.

    What was filed under that number has come, whatever became of it, unless it waits itself.
    """
    if state.killed:
        return None
    waiting = {number: one for number, one in state.versions.items() if one.awaits and one.stage is Stage.HELD}
    come = [number for number, one in waiting.items() if (one.awaits or 0) <= state.newest or one.awaits == claimed]
    first = min((number for number in come if waiting[number].awaits not in waiting), default=None)
    return waiting[first] if first else None


def taken_up(event: StoryEnriched, version: VersionState, text: StoryText) -> StoryEnriched:
    """Return the filing of a correction that waited, as an input of its own; `event` is what it waited for."""
    assert text.filed is not None
    return event.model_copy(
        update={
            "event_id": derived_id("chain", version.event_id),
            "version": version.version,
            "stage_times": text.stage_times,
            "cause": version.filed_as,
            "data": text.filed,
        }
    )
