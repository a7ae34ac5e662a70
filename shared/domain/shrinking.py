"""What stays of a story that has been quiet for 35 days? Enough to number its next release and to judge its next text.

Pure. The longest retention of an input is shorter, so nothing can come again that `applied` would have to know.
"""

from datetime import datetime
from typing import Final

from shared.domain.events import epoch_us
from shared.domain.lifecycle import APPLIED_KEPT
from shared.domain.state import Stage, StoryState, VersionState

WAITING: Final = frozenset({Stage.HELD, Stage.EMBARGOED})


def is_quiet(state: StoryState, now: datetime) -> bool:
    """Tell whether nothing was entered for 35 days and there is something to drop; `now` aware UTC."""
    horizon = epoch_us(now - APPLIED_KEPT)
    return bool(state.applied) and all(entry.at < horizon for entry in state.applied)


def shrunk(state: StoryState, now: datetime) -> StoryState:
    """Return what is kept of a quiet story; any other is returned as it is.

    Kept: the last `release_no`, what is withheld or killed, the reach (a kill is judged by it), the newest version with
    its hash, the released one with the place of its text (a withheld story can be released again), and every version
    that still waits for a person or its time.
    """
    if not is_quiet(state, now):
        return state
    kept = {number: _bare(version) for number, version in state.versions.items() if _stays(state, version)}
    pending = state.pending if state.pending and state.pending.expires_at > now else None
    return state.model_copy(update={"applied": (), "versions": kept, "pending": pending})


def _stays(state: StoryState, version: VersionState) -> bool:
    if state.killed:
        return False
    return version.version in {state.newest, state.released} or version.stage in WAITING


def _bare(version: VersionState) -> VersionState:
    if version.stage in WAITING:
        return version
    return version.model_copy(update={"filed_as": None, "reason": None, "evidence": (), "queue": None})
