"""What goes on the wire for a release? Made of the state's note and the stored text alone: a replay says the same."""

from typing import Final

from shared.domain.events import Released, StoryReleased, derived_id
from shared.domain.facts import Facts
from shared.domain.release_item import newest_note, release_item
from shared.domain.state import ReleaseNote, StoryState, StoryText
from shared.domain.story import NOTICES, Lane

PRODUCER: Final = "moderation"


def release_event(state: StoryState, note: ReleaseNote, text: StoryText | None) -> StoryReleased:
    """Return the event of one release of `state`; `text` is what `note.text` refers to, None for notices.

    The same for the same arguments. Raises LostText.
    """
    item = release_item(state.story_id, note, text)
    entry = next((one for one in state.applied if one.release and one.release.release_no == note.release_no), None)
    return StoryReleased(
        event_id=derived_id(state.story_id, str(note.release_no)),
        story_id=state.story_id,
        version=note.version,
        release_no=note.release_no,
        occurred_at=item.released_at,
        producer=PRODUCER,
        cause=entry.event_id if entry else None,
        stage_times=item.stage_times,
        data=Released(item=item, facts=note.facts, reach=note.reach),
    )


def standing_note(state: StoryState) -> ReleaseNote | None:
    """Return the note of the newest release, whole again though other inputs were taken since; None without one."""
    note = newest_note(state)
    if note is None:
        return None
    reach = state.reach or Facts()
    if note.kind in NOTICES:
        return note.model_copy(update={"facts": reach.model_copy(update={"lanes": (Lane.FLASH,)}), "reach": reach})
    version = state.versions[note.version]
    return note.model_copy(update={"facts": version.facts, "reach": state.reach, "text": version.text})
