"""What is one entry of a feed, and which feed is it in? The same for every format."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from shared.domain.item import Item
from shared.domain.story import NOTICES, Kind, headline_of

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`updated` of a feed without entries."""

# What XML 1.0 cannot hold, not even escaped (section 2.2).
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")
_WORDS: Final = {Kind.WITHHOLD: "Withheld", Kind.KILL: "Killed"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A story, or the notice in its place. Of the bodies, HTML is already sanitised; either may be empty."""

    id: str
    title: str
    updated: datetime
    html: str
    text: str
    by: str
    killed: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed and where it lies; entries newest first."""

    title: str
    url: str
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime:
        return max((entry.updated for entry in self.entries), default=NEVER)


def entry_of(item: Item) -> Entry:
    """Return the entry of a released item; of a notice nothing but the notice."""
    notice = item.kind in NOTICES
    return Entry(
        id=iri_of(item.story_id),
        title=_clean(_WORDS[item.kind] if notice else headline_of(item.story) or "Untitled"),
        updated=item.released_at,
        html="" if notice else _clean(_body(item.story, "text/html")),
        text=_clean((item.notice or "") if notice else _body(item.story, "text/plain")),
        by="" if notice else _clean(str(item.story.get("by", ""))),
        killed=item.kind is Kind.KILL,
    )


def iri_of(story_id: str) -> str:
    """Return a story id as an IRI, which an Atom id must be."""
    holds = _IRI.fullmatch(story_id) and not _NO_XML.search(story_id)
    return story_id if holds else f"urn:slugline:story:{quote(story_id, safe='')}"


def _body(story: dict[str, Any], content_type: str) -> str:
    bodies = story.get("bodies") or ()
    return next((str(one.get("value", "")) for one in bodies if one.get("contentType") == content_type), "")


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
