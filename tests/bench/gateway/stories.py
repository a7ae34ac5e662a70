"""What the gateway's bench puts on the wire: stories of 512 bytes that carry the moment at which they were due."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.domain.events import StoryReleased
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from tests.bench.releases import a_release

PAYLOAD_BYTES = 512
MARK = b"|"
"""Ends the words of a story and stands nowhere else in what any server sends: who counts it counts stories.

Nor in the head of a WebSocket frame of such a story: 0x81, 0x7E, and a length that ends in 0x20 to 0x50.
"""
WORDS = re.compile(rb"(\d{16})\.(\d{8})x*\|")
"""When the story was due (epoch µs), and its number."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Story:
    """One story for whoever wants `section`; it is late by what has passed since `due_us` (epoch µs)."""

    number: int
    section: str
    due_us: int
    lane: Lane = Lane.ROUTINE
    size: int = PAYLOAD_BYTES

    @property
    def story_id(self) -> str:
        return f"urn:slugline:bench:{self.number:08}"

    def item(self) -> Item:
        """The Item, `size` bytes long as JSON."""
        words = f"{self.due_us:016}.{self.number:08}"
        padding = self.size - len(self._saying(words).model_dump_json()) - len(MARK)
        return self._saying(f"{words}{'x' * padding}{MARK.decode()}")

    def event(self) -> StoryReleased:
        """What is put on the released topic."""
        facts = Facts(sections=(self.section,), sources=("bench",), languages=("en",), lanes=(self.lane,))
        return a_release(self.item(), facts)

    def _saying(self, words: str) -> Item:
        return Item(
            seq=1_000_000,  # as wide as it will be
            lane=self.lane,
            kind=Kind.PUBLISH,
            story_id=self.story_id,
            version=1,
            release_no=1,
            released_at=_EPOCH + timedelta(microseconds=self.due_us),
            stage_times={"accepted": self.due_us},
            story={
                "uri": self.story_id,
                "type": "text",
                "version": "1",
                "pubStatus": "usable",
                "headlines": [{"value": words}],
            },
        )


@dataclass(frozen=True, slots=True)
class Audience:
    """So many clients that want any of these sections, and nothing else."""

    sections: tuple[str, ...]
    count: int


@dataclass(slots=True)
class Ledger:
    """What was released since the last look, and so what each client is owed."""

    released: list[Story] = field(default_factory=list)

    def owed_to_each(self, audiences: Iterable[Audience]) -> list[int]:
        """How many stories each client is owed, audience by audience."""
        made = Counter(story.section for story in self.released)
        return [
            owed
            for audience in audiences
            for owed in [sum(made[section] for section in audience.sections)] * audience.count
        ]

    def owed_to(self, audiences: Sequence[Audience], clients: Iterable[int]) -> set[tuple[int, int]]:
        """Each (client, number of a story) that these clients are owed."""
        numbers: dict[str, list[int]] = {}
        for story in self.released:
            numbers.setdefault(story.section, []).append(story.number)
        wants = [audience.sections for audience in audiences for _ in range(audience.count)]
        return {
            (client, number) for client in clients for section in wants[client] for number in numbers.get(section, ())
        }
