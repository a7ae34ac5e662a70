"""What goes on the wire for a release? Made of the state's note and the stored text alone: a replay says the same."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from shared.domain.events import Released, StoryReleased, derived_id, epoch_us
from shared.domain.facts import Facts
from shared.domain.item import Item, rfc3339
from shared.domain.state import ReleaseNote, StoryState, StoryText
from shared.domain.story import NOTICES, Kind, Lane
from shared.platform.clock import from_epoch_us

PRODUCER: Final = "moderation"
NINJS_3_1: Final = {
    "name": "ninjs",
    "version": "3.1",
    "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json",
}
_STATUS: Final = {Kind.WITHHOLD: "withheld", Kind.KILL: "canceled"}
_NOTICE: Final = {
    Kind.WITHHOLD: "This story is withheld: do not use it until it is released again.",
    Kind.KILL: "This story is killed: withdraw every version of it and do not use it again.",
}
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~%]+")


def release_event(state: StoryState, note: ReleaseNote, text: StoryText | None) -> StoryReleased:
    """Return the event of one release of `state`; `text` is what `note.text` refers to, None for notices.

    The same for the same arguments. `story` is ninjs 3.1 (version and status are ours, dates in UTC); `changes`
    and `corrects` show on a correction only, since nobody but its readers has seen what was wrong.
    """
    at = from_epoch_us(note.at)
    entry = next((one for one in state.applied if one.release and one.release.release_no == note.release_no), None)
    stages = _stage_times(note, text)
    corrects = note.kind is Kind.CORRECT and text is not None
    item = Item(
        lane=note.lane,
        kind=note.kind,
        story_id=state.story_id,
        version=note.version,
        release_no=note.release_no,
        released_at=at,
        supersedes=note.supersedes,
        corrects=text.corrects if corrects and text else None,
        changes=text.changes if corrects and text else (),
        lineage=text.lineage if text else (),
        labels=text.labels if text else (),
        notice=_notice(note),
        replacement=note.replacement,
        stage_times=stages,
        story=_story(state.story_id, note, text),
    )
    return StoryReleased(
        event_id=derived_id(state.story_id, str(note.release_no)),
        story_id=state.story_id,
        version=note.version,
        release_no=note.release_no,
        occurred_at=at,
        producer=PRODUCER,
        cause=entry.event_id if entry else None,
        stage_times=stages,
        data=Released(item=item, facts=note.facts, reach=note.reach),
    )


def standing_note(state: StoryState) -> ReleaseNote | None:
    """Return the note of the newest release, whole again though other inputs were taken since; None without one."""
    notes = (entry.release for entry in reversed(state.applied) if entry.release)
    note = next((one for one in notes if one.release_no == state.release_no), None)
    if note is None:
        return None
    reach = state.reach or Facts()
    if note.kind in NOTICES:
        return note.model_copy(update={"facts": reach.model_copy(update={"lanes": (Lane.FLASH,)}), "reach": reach})
    version = state.versions[note.version]
    return note.model_copy(update={"facts": version.facts, "reach": state.reach, "text": version.text})


def _story(story_id: str, note: ReleaseNote, text: StoryText | None) -> dict[str, Any]:
    created = rfc3339(from_epoch_us(note.at))
    ours = {
        "uri": _uri(story_id),
        "type": "text",
        "version": str(note.version),
        "versionCreated": created,
        "pubStatus": _STATUS.get(note.kind, "usable"),
        "standard": dict(NINJS_3_1),
    }
    if note.kind in NOTICES:
        return ours
    if text is None:
        raise LostText(f"{story_id}: the text of version {note.version} is gone, release {note.release_no} needs it")
    story = {**text.story, **ours, "urgency": note.facts.urgency}
    if "embargoedUntil" in story and _is_later(str(story["embargoedUntil"]), note.at):
        del story["embargoedUntil"]  # the desk has shortened it: the released item must not say "wait"
    return story


class LostText(Exception):
    """A release refers to a text that is not there: state and text topics contradict each other."""


def _stage_times(note: ReleaseNote, text: StoryText | None) -> dict[str, int]:
    earlier: Mapping[str, int] = note.stage_times or (text.stage_times if text else {"decided": note.at})
    return {**earlier, "released": max(note.at, *earlier.values())} if earlier else {"released": note.at}


def _notice(note: ReleaseNote) -> str | None:
    words = _NOTICE.get(note.kind)
    return f"{words} Use {note.replacement} instead." if words and note.replacement else words


def _is_later(time: str, than_us: int) -> bool:
    try:
        return epoch_us(datetime.fromisoformat(time.upper())) > than_us
    except ValueError:  # RFC 3339 knows leap seconds, Python does not
        return True


def _uri(story_id: str) -> str:
    """Return the id as a URI; a kill may name an id that is none."""
    return story_id if _URI.fullmatch(story_id) else f"urn:slugline:story:{quote(story_id, safe='')}"
