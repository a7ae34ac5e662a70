"""Which story a parsed item is: the same item filed twice must be the same story."""

import hashlib
import json
import unicodedata
from typing import Final
from urllib.parse import quote

from services.ingest.cleaning import comparable
from services.ingest.parsed import Parsed

_DIGEST_CHARS: Final = 32  # 128 bits: no collision by accident among all stories ever filed


def story_id_for(source: str, parsed: Parsed) -> str:
    """The story's URI: the source's own if it gave one, else `urn:slugline:{source}:{digest}`.

    The digest is taken over the source's own id for the item (a feed's guid or link); where it has none, over the
    headline (case, punctuation, spacing and Unicode form aside) and the UTC date of publication. So a page dumped
    twice is one story, and a headline used again on another day is another; an undated page goes by its headline
    alone. Never changes for the same input: stored ids depend on it.
    """
    if parsed.story_id is not None:
        return parsed.story_id
    name = unicodedata.normalize("NFC", source).casefold()
    return f"urn:slugline:{quote(name, safe='')}:{_digest([name, *_marks(parsed)])}"


def _marks(parsed: Parsed) -> list[str]:
    if parsed.source_item_id is not None:
        return ["item", parsed.source_item_id]
    date = parsed.published_at.date().isoformat() if parsed.published_at else ""
    return ["headline", comparable(parsed.story["headlines"][0]["value"]), date]


def _digest(marks: list[str]) -> str:
    """Over a JSON array, so that no separator inside a mark can imitate another pair of marks."""
    return hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:_DIGEST_CHARS]
