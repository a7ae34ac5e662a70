"""How is one kept text read back, by the place the state remembers?"""

from shared.domain.state import StoryText, TextRef
from shared.platform.reading import Lookup
from shared.platform.topics import Topic


class KafkaTexts:
    """`services.moderation.ports.Texts` on `story.text`."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def fetch(self, ref: TextRef) -> StoryText | None:
        record = await self._lookup.read_one(Topic.TEXT, ref.partition, ref.offset)
        return StoryText.model_validate_json(record.value) if record and record.value else None
