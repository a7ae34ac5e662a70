"""What does every channel show of a release? Made of its note and the stored text alone: a replay says the same.

Whoever knows a story's state before the release itself has come (the gateway's pages) says the same of it, too.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from shared.domain.events import epoch_us, from_epoch_us
from shared.domain.facts import Facts
from shared.domain.item import Item, rfc3339
from shared.domain.state import KillRecord, ReleaseNote, StoryState, StoryText
from shared.domain.story import NOTICES, Kind, Lane

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


def release_item(story_id: str, note: ReleaseNote, text: StoryText | None) -> Item:
    """Return the Item of one release; `text` is what `note.text` refers to, None for notices. Raises LostText.

    The same for the same arguments, but for `seq`. `story` is ninjs 3.1 (version and status are ours, dates in UTC);
    `changes` and `corrects` show on a correction only, since nobody but its readers has seen what was wrong.
    """
    corrects = note.kind is Kind.CORRECT and text is not None
    return Item(
        lane=note.lane,
        kind=note.kind,
        story_id=story_id,
        version=note.version,
        release_no=note.release_no,
        released_at=from_epoch_us(note.at),
        supersedes=note.supersedes,
        corrects=text.corrects if corrects and text else None,
        changes=text.changes if corrects and text else (),
        lineage=text.lineage if text else (),
        labels=text.labels if text else (),
        notice=notice_of(note),
        replacement=note.replacement,
        stage_times=_stage_times(note, text),
        story=_story(story_id, note, text),
    )


class LostText(Exception):
    """A release refers to a text that is not there: state and text topics contradict each other."""


def notice_of(note: ReleaseNote) -> str | None:
    """The words of a withhold or kill; None for what has a text."""
    words = _NOTICE.get(note.kind)
    return f"{words} Use {note.replacement} instead." if words and note.replacement else words


def note_of_kill(kill: KillRecord) -> ReleaseNote:
    """The note of a kill's release, as far as its record tells: without facts, by which nothing is shown."""
    return ReleaseNote(
        release_no=kill.release_no,
        kind=Kind.KILL,
        version=kill.version,
        lane=Lane.FLASH,
        at=kill.at,
        facts=Facts(),
        supersedes=kill.release_no - 1 or None,
        replacement=kill.replacement,
    )


def newest_note(state: StoryState) -> ReleaseNote | None:
    """The note of the newest release as it is remembered (facts and text of an older input may be gone), or None."""
    notes = (entry.release for entry in reversed(state.applied) if entry.release)
    return next((one for one in notes if one.release_no == state.release_no), None)


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


def _stage_times(note: ReleaseNote, text: StoryText | None) -> dict[str, int]:
    earlier: Mapping[str, int] = note.stage_times or (text.stage_times if text else {"decided": note.at})
    return {**earlier, "released": max(note.at, *earlier.values())} if earlier else {"released": note.at}


def _is_later(time: str, than_us: int) -> bool:
    try:
        return epoch_us(datetime.fromisoformat(time.upper())) > than_us
    except ValueError:  # RFC 3339 knows leap seconds, Python does not
        return True


def _uri(story_id: str) -> str:
    """Return the id as a URI; a kill may name an id that is none."""
    return story_id if _URI.fullmatch(story_id) else f"urn:slugline:story:{quote(story_id, safe='')}"
