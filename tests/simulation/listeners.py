"""What do stream clients see, and may they see it? Every event is judged as it is written, by what came before."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.refusals import Gone, NotFound, NotReady
from shared.domain.item import Item
from shared.domain.story import Kind
from tests.simulation.receivers import Contents, Violation

EVERYTHING, URGENT = "hears everything", "hears urgent"
LISTENERS: Mapping[str, tuple[tuple[str, str], ...]] = {EVERYTHING: (), URGENT: (("urgency_max", "2"),)}
"""Their names, and what each asks for in its query."""


Page = list[Item] | Gone | NotFound | NotReady
"""What a page shows of a story: its newest release and its versions, or why it shows nothing."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One release as it was written to a client."""

    release_no: int
    kind: Kind


@dataclass
class Listener:
    """One client over all its connections: it comes back with the id it saw last."""

    name: str
    contents: Contents
    is_dead: Callable[[str], bool]
    """Whether the process it listens to has been told of a story's kill."""

    last_id: str | None = None
    seen: dict[str, list[Shown]] = field(default_factory=dict)

    def take(self, data: bytes) -> None:
        """Hear what is written. Raises `Violation` for what must not be."""
        for block in data.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if fields.get("event") == "gap":
                raise Violation(f"{self.name}: a gap, though nothing was lost: {fields}")
            if fields.get("event") == "story":
                self._judge(json.loads(fields["data"]))
            self.last_id = fields.get("id", self.last_id)

    def _judge(self, item: dict[str, Any]) -> None:
        story_id, shown = item["story_id"], Shown(item["release_no"], Kind(item["kind"]))
        earlier = self.seen.setdefault(story_id, [])
        told = f"{self.name} is shown {shown} of {story_id} after {earlier[-3:]}"
        self.contents.judge(story_id, shown.release_no, item)
        if earlier and earlier[-1].release_no >= shown.release_no:
            raise Violation(f"again, or older after newer: {told}")
        if shown.kind is not Kind.KILL and self.is_dead(story_id):
            raise Violation(f"after a kill: {told}")
        earlier.append(shown)


class Line(asyncio.Transport):
    """The near end of one stream connection: what is written is heard at once."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._listener.take(bytes(data))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Nothing comes back on it."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It is full when a schedule says so."""

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True


@dataclass
class Reader:
    """Who looks at pages: remembers which stories were there, and which were gone for good."""

    contents: Contents
    found: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def look(self, story_id: str, page: Page) -> None:
        """Judge one answer. Raises `Violation` for what must not be."""
        if isinstance(page, NotReady):
            return
        if isinstance(page, NotFound) and story_id in self.found | self.gone:
            raise Violation(f"{story_id} was shown, and now there is no such story")
        if isinstance(page, Gone):
            self.gone.add(story_id)
        if isinstance(page, list):
            self._look_at(story_id, page)

    def _look_at(self, story_id: str, page: list[Item]) -> None:
        if story_id in self.gone:
            raise Violation(f"{story_id} was gone, and is shown again: {page[0].release_no}")
        self.found.add(story_id)
        for item in page:
            self.contents.judge_time(f"the page of {story_id}", item.model_dump_json())
