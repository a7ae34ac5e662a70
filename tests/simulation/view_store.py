"""What stands in for Redis: generations of views in memory, by the same rules as the script of the real ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.gateway.stream.positions import NOWHERE, Position
from services.gateway.views.documents import Document
from services.gateway.views.ports import Place, Reached, ViewsMissing


@dataclass
class Generation:
    """The newest release of each story, and of each of its versions."""

    newest: dict[str, Document] = field(default_factory=dict)
    texts: dict[str, dict[int, Document]] = field(default_factory=dict)
    reached: Position = NOWHERE

    def take(self, document: Document) -> None:
        item, known = document.item, self.newest.get(document.story_id)
        if item.seq is not None and item.seq >= self.reached.of(item.lane):
            self.reached = self.reached.at(item.lane, item.seq + 1)
        if known is not None and known.is_kill:
            return
        texts = self.texts.setdefault(document.story_id, {})
        if not document.is_notice and not (
            (there := texts.get(item.version)) and there.item.release_no >= item.release_no
        ):
            texts[item.version] = document
        if known is None or item.release_no > known.item.release_no:
            self.newest[document.story_id] = document
        if document.is_kill:
            texts.clear()


@dataclass
class ViewStore:
    """`Store`, `Progress` and `Views` in memory; `wipe` empties it as FLUSHALL would.

    `RedisViews` is held to the same races.
    """

    _serving: str | None = None
    _building: str | None = None
    _generations: dict[str, Generation] = field(default_factory=dict)
    _begun: int = 0

    def wipe(self) -> None:
        self._serving = self._building = None
        self._generations.clear()

    async def serving(self) -> str | None:
        return self._serving

    async def begin(self) -> str:
        self._begun += 1
        self._building = f"g{self._begun}"
        self._generations[self._building] = Generation()
        return self._building

    async def apply(self, generation: str, documents: Sequence[Document]) -> bool:
        if generation not in {self._serving, self._building}:
            return False
        for document in documents:
            self._generations[generation].take(document)
        return True

    async def reach(self, generation: str, position: Position) -> bool:
        if generation not in {self._serving, self._building}:
            return False
        kept = self._generations[generation]
        kept.reached = kept.reached.no_earlier_than(position)
        return True

    async def publish(self, generation: str) -> bool:
        if generation != self._building:
            return False
        self._serving, self._building = generation, None
        return True

    async def sweep(self) -> None:
        used = {self._serving, self._building}
        self._generations = {name: one for name, one in self._generations.items() if name in used}

    async def reached(self) -> Reached:
        return Reached(self._serving or "", self._served().reached)

    async def story(self, story_id: str) -> Document | None:
        return self._served().newest.get(story_id)

    async def versions(self, story_id: str) -> list[Document]:
        return [one for _, one in sorted(self._served().texts.get(story_id, {}).items())]

    async def listed(
        self, section: str | None, before: Place | None, since_us: int, at_most: int
    ) -> list[tuple[Place, Document]]:
        shown = (one for one in self._served().newest.values() if one.was_shown)
        found = [(Place(one.at_us, one.story_id), one) for one in shown if not section or section in one.facts.sections]
        wanted = [one for one in found if (before is None or one[0] < before) and one[0].at_us >= since_us]
        return sorted(wanted, key=lambda one: one[0], reverse=True)[:at_most]

    def _served(self) -> Generation:
        if self._serving is None:
            raise ViewsMissing("the views are being rebuilt")
        return self._generations[self._serving]
