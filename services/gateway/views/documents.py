"""What is kept of a release for reading?"""

from dataclasses import dataclass

from shared.domain.events import StoryReleased, epoch_us
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import NOTICES, Kind, Lane
from shared.platform.records import Record
from shared.platform.topics import Topic

_LANE: dict[Topic, Lane] = {Topic.RELEASED: Lane.ROUTINE, Topic.RELEASED_FLASH: Lane.FLASH}


@dataclass(frozen=True, slots=True)
class Document:
    """A release as views hold it; `facts` place it in sections and answer filters.

    `reach`, of what is no text of its own or follows one: the facts of all earlier releases, for products.
    """

    item: Item
    facts: Facts
    reach: Facts | None = None

    @property
    def story_id(self) -> str:
        return self.item.story_id

    @property
    def at_us(self) -> int:
        """When it was released, epoch µs: the order of lists."""
        return epoch_us(self.item.released_at)

    @property
    def is_notice(self) -> bool:
        return self.item.kind in NOTICES

    @property
    def is_kill(self) -> bool:
        return self.item.kind is Kind.KILL

    @property
    def was_shown(self) -> bool:
        """Whether anything of the story was on the wire before: a kill of an unknown id is no news to a feed."""
        return not self.is_notice or self.item.supersedes is not None


def document_of(event: StoryReleased, record: Record) -> Document:
    """Return the document of a release; its `seq` is known where the record lies in a lane."""
    lane = _LANE.get(record.topic)
    placed = {} if lane is None else {"seq": record.offset, "lane": lane}
    return Document(event.data.item.model_copy(update=placed), event.data.facts, event.data.reach)
