"""How is one kept text read back, by the place the state remembers?

Mostly from memory: what was kept or read lately. A text that must come from the log brings its neighbours along, since
embargoes that end together were filed together.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from shared.domain.state import StoryText, TextRef
from shared.platform.reading import Lookup
from shared.platform.topics import MIB, Topic

REMEMBERED: Final = 64 * MIB
AHEAD: Final = 1 * MIB
"""What one answer of the broker may bring; a text takes some kilobytes."""

NEIGHBOURS: Final = 256


class RecentTexts:
    """The bytes of texts by their place; the ones not asked for longest go first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._bytes = 0
        self._texts: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def remember(self, partition: int, offset: int, text: bytes) -> None:
        if (partition, offset) in self._texts:
            return
        self._texts[partition, offset] = text
        self._bytes += len(text)
        while self._bytes > self._most:
            _, oldest = self._texts.popitem(last=False)
            self._bytes -= len(oldest)

    def recall(self, ref: TextRef) -> bytes | None:
        """Return the text there, if it is remembered."""
        found = self._texts.get((ref.partition, ref.offset))
        if found is not None:
            self._texts.move_to_end((ref.partition, ref.offset))
        return found


class KafkaTexts:
    """`services.moderation.ports.Texts` on `story.text`."""

    def __init__(self, lookup: Lookup, recent: RecentTexts | None = None) -> None:
        self._lookup = lookup
        self._recent = recent or RecentTexts()
        self._turn = asyncio.Lock()

    async def fetch(self, ref: TextRef) -> StoryText | None:
        found = self._recent.recall(ref)
        if found is None:
            async with self._turn:  # who waited here may find that the one before has brought it along
                found = self._recent.recall(ref) or await self._read(ref)
        return StoryText.model_validate_json(found) if found else None

    async def _read(self, ref: TextRef) -> bytes | None:
        for record in await self._lookup.read_from(Topic.TEXT, ref.partition, ref.offset, NEIGHBOURS):
            if record.value is not None:
                self._recent.remember(record.partition, record.offset, record.value)
        return self._recent.recall(ref)
