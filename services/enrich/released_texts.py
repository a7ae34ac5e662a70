"""Which texts are on the wire now, so that a filing can be compared with them?"""

from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from services.enrich.near_duplicates import DuplicateIndex, shingle_keys, text_hash
from shared.domain.errors import Unprocessable
from shared.domain.events import NearDuplicate, StoryReleased
from shared.domain.story import NOTICES, plain_body_of
from shared.platform.envelopes import decode
from shared.platform.logs import logger
from shared.platform.records import Record

WINDOW: Final = timedelta(days=7)


class ReleasedTexts:
    """The index of released stories (`services.enrich.ports.Duplicates`); one thread feeds it, another asks."""

    def __init__(self, index: DuplicateIndex | None = None) -> None:
        self._index = DuplicateIndex(window=WINDOW) if index is None else index
        self._turn = Lock()

    def __len__(self) -> int:
        """Count the stories known, withdrawn ones included."""
        return len(self._index)

    def apply(self, record: Record) -> None:
        """Take in a story's newest release; a withheld, killed or deleted one leaves. May be repeated.

        A record that is no release is left out and told: it must not stop the comparing of the others.
        """
        if record.value is None:
            self._keep(record.key or "", "", datetime.fromtimestamp(record.timestamp_ms / 1000, UTC))
            return
        try:
            item = decode(record, kinds=StoryReleased).data.item
        except Unprocessable as error:
            logger().warning(
                "released_texts.skipped", partition=record.partition, offset=record.offset, reason=type(error).__name__
            )
            return
        text = "" if item.kind in NOTICES else plain_body_of(item.story)
        self._keep(item.story_id, text, item.released_at)

    def like(self, story_id: str, text: str, text_hash: str) -> NearDuplicate | None:
        """Name the released story that shares most with `text`, itself left out; `score` is the shared part."""
        keys = shingle_keys(text)
        with self._turn:
            match = self._index.lookup(keys, leave_out=story_id, text_hash=text_hash)
        if match is None:
            return None
        return NearDuplicate(story_id=match.story_id, score=round(match.containment, 3), exact=match.exact)

    def _keep(self, story_id: str, text: str, at: datetime) -> None:
        """Put a text in place of the story's earlier one; an empty text is never found."""
        keys, exact = shingle_keys(text), text_hash(text) if text else None
        with self._turn:
            self._index.add(story_id, keys, at, text_hash=exact)
