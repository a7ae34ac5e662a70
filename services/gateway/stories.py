"""What may be read of a story, or of all: the views, shown through the gate."""

import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from services.gateway.desk_view import DeskView
from services.gateway.refusals import Gone, NotFound, NotReady, unfit_parameter
from services.gateway.views.documents import Document
from services.gateway.views.ports import Place, Views, ViewsMissing
from shared.domain.events import epoch_us, from_epoch_us
from shared.domain.facts import Facts
from shared.domain.item import Item, rfc3339
from shared.domain.products import Bounds, Products
from shared.domain.products import within as within_any
from shared.domain.release_item import newest_note, note_of_kill, notice_of, release_item
from shared.domain.state import KillRecord, ReleaseNote, StoryState
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Filter, Text, wants

SCANNED_AT_ONCE: Final = 25
MOST_SCANNED: Final = 500
"""Stories judged for one page; a filter that wants next to nothing gets a short page with a cursor."""

_END_OF_TIME_US: Final = 2**53  # beyond it Redis scores are not exact; in the year 2255
_NOT_THERE: Final = "there is no released story under this id"


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, and the cursor of what follows, or None."""

    items: list[Item]
    next: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """Released at or after `since`, and before `until`."""

    since: datetime | None = None
    until: datetime | None = None

    def end(self, cursor: str | None) -> Place | None:
        """The place before which a page begins. Raises Unfit for a cursor that is none of ours."""
        ends = [] if cursor is None else [_place(cursor)]
        if self.until is not None:
            ends.append(Place(epoch_us(self.until), ""))
        return min(ends, default=None)


@dataclass(frozen=True, slots=True)
class Stories:
    """Every answer passes the gate: a kill or withhold counts as soon as its state is known, before the views do.

    All methods raise NotReady while views or gate are not whole. `within`: what the caller may see at all.
    """

    views: Views
    gate: DeskView

    async def story(self, story_id: str, within: Bounds = None) -> Item:
        """The newest release, or the notice of a withhold. Raises NotFound, Gone."""
        return (await self.newest_release(story_id, within)).item

    async def newest_release(self, story_id: str, within: Bounds = None) -> Document:
        """As `story`, with the facts that filters are judged on."""
        self._check_gate()
        if within is None and (kill := self.gate.kill(story_id)):
            raise Gone(_kill_notice(kill))
        shown = self._gated(await self._document(story_id))
        if not is_within(within, shown):
            raise NotFound(_NOT_THERE)
        if shown.is_kill:
            raise Gone(self._notice_of(shown.item))
        return shown

    async def versions(self, story_id: str, within: Bounds = None) -> list[Item]:
        """The released versions, oldest first. Raises NotFound (also while withheld), Gone."""
        if (await self.newest_release(story_id, within)).is_notice:
            raise NotFound("this story is withheld")
        return [each.item for each in await self.released_versions(story_id) if is_within(within, each)]

    async def released_versions(self, story_id: str) -> list[Document]:
        """What is kept of each version, withheld or not: to be judged, not shown."""
        try:
            return await self.views.versions(story_id)
        except ViewsMissing as missing:
            raise NotReady(str(missing)) from missing

    async def version(self, story_id: str, version: int, within: Bounds = None) -> Item:
        """Raises NotFound, Gone."""
        for item in await self.versions(story_id, within):
            if item.version == version:
                return item
        raise NotFound(f"version {version} of this story was not released")

    async def released(self, story_id: str, release_no: int) -> Item | None:
        """One release as it went out; None once a newer one of its version, a withhold or a kill took its place."""
        try:
            document = await self.views.story(story_id)
            kept = [] if document is None else [document, *await self.views.versions(story_id)]
        except ViewsMissing as missing:
            raise NotReady(str(missing)) from missing
        return next((one.item for one in kept if one.item.release_no == release_no and one == self._gated(one)), None)

    async def two_versions(
        self, story_id: str, since: int | None, to: int | None, within: Bounds = None
    ) -> tuple[Item, Item]:
        """Two released versions to be compared (default: the newest two). Raises NotFound, Gone."""
        items = {item.version: item for item in await self.versions(story_id, within)}
        numbers = sorted(items)
        to = numbers[-1] if to is None and numbers else to
        earlier = [number for number in numbers if to is not None and number < to]
        since = (earlier[-1] if earlier else to) if since is None else since
        missing = [number for number in (since, to) if number not in items]
        if missing or since is None or to is None:
            raise NotFound(f"version {missing[0] if missing else 1} of this story was not released")
        return items[since], items[to]

    async def page(self, wanted: Filter, within: Bounds, span: Span, limit: int, cursor: str | None) -> Page:
        """Released stories that a filter wants, newest first. Raises Unfit for a cursor that is none of ours."""
        items: list[Item] = []
        scanned = 0
        async for place, shown in self.newest_first(wanted, span.since, span.end(cursor)):
            scanned += 1
            if not shown.is_notice and wants(wanted, shown.facts, _text(wanted, shown)) and is_within(within, shown):
                items.append(shown.item)
            if len(items) >= limit or scanned >= MOST_SCANNED:
                return Page(items, _cursor(place))
        return Page(items, None)

    async def newest_first(
        self, wanted: Filter, since: datetime | None, before: Place | None = None
    ) -> AsyncGenerator[tuple[Place, Document], None]:
        """Every story that may be wanted, by its newest release; withheld and killed ones as their notices."""
        section = wanted.sections[0] if len(wanted.sections) == 1 else None
        async for place, document in self._scan(section, before, 0 if since is None else epoch_us(since)):
            yield place, self._gated(document)

    async def newest(self, section: str | None, at_most: int, within: Bounds = None) -> list[Item]:
        """The newest entries of a feed; a withheld or killed story stays in it as its notice."""
        try:
            found = await self.views.listed(section, None, 0, at_most)
        except ViewsMissing as missing:
            raise NotReady(str(missing)) from missing
        self._check_gate()
        shown = [self._gated(document) for _, document in found]
        return [document.item for document in shown if is_within(within, document)]

    async def _document(self, story_id: str) -> Document:
        try:
            document = await self.views.story(story_id)
        except ViewsMissing as missing:
            raise NotReady(str(missing)) from missing
        if document is None:
            raise NotFound(_NOT_THERE)
        return document

    def _notice_of(self, item: Item) -> dict[str, Any]:
        """What is told of a killed story: by the kill's own record, or before that is read by what the views have."""
        if kill := self.gate.kill(item.story_id):
            return _kill_notice(kill)
        return _notice_members(item.story_id, item.version, item.release_no, item.notice, item.replacement)

    def _gated(self, document: Document) -> Document:
        """The document as it may be shown now: a notice instead of a text that is killed or withheld since."""
        if document.is_kill:
            return document
        if kill := self.gate.kill(document.story_id):
            return replace(document, item=release_item(document.story_id, note_of_kill(kill), None))
        state = self.gate.state(document.story_id)
        if state and state.withheld and not document.is_notice:
            return replace(document, item=_withheld(document.item, state))
        return document

    def _check_gate(self) -> None:
        if not self.gate.loaded:
            raise NotReady("what was killed or withheld is being read")

    async def _scan(
        self, section: str | None, before: Place | None, since_us: int
    ) -> AsyncIterator[tuple[Place, Document]]:
        self._check_gate()
        while True:
            try:
                found = await self.views.listed(section, before, since_us, SCANNED_AT_ONCE)
            except ViewsMissing as missing:
                raise NotReady(str(missing)) from missing
            for place, document in found:
                yield place, document
            if len(found) < SCANNED_AT_ONCE:
                return
            before = found[-1][0]


def is_within(bounds: Bounds, document: Document) -> bool:
    """Whether a release is within what its reader may see at all; what has no text is judged on the story's reach."""
    item = document.item
    return within_any(bounds, item.kind, document.facts, document.reach, lambda: Text(item.story))


def products_having(products: Products, document: Document) -> tuple[str, ...]:
    """The names of the products that a release is within."""
    item = document.item
    return products.having(item.kind, document.facts, document.reach, lambda: Text(item.story))


def _text(wanted: Filter, document: Document) -> Text | None:
    """The words of a story, for a filter that asks for words; else nothing is prepared."""
    asks = wanted.keywords or wanted.not_.keywords
    return Text(document.item.story) if asks and not document.is_notice else None


def _withheld(item: Item, state: StoryState) -> Item:
    """The withhold's own item, before the views have it."""
    note = newest_note(state)
    if note is None or note.kind is not Kind.WITHHOLD:  # forgotten by now, and the views are as old as that
        note = _unremembered(item, state)
    return release_item(item.story_id, note, None)


def _unremembered(item: Item, state: StoryState) -> ReleaseNote:
    return ReleaseNote(
        release_no=state.release_no,
        kind=Kind.WITHHOLD,
        version=max(state.newest, 1),
        lane=Lane.FLASH,
        at=epoch_us(item.released_at),
        facts=Facts(),
        supersedes=item.release_no,
    )


def _kill_notice(kill: KillRecord) -> dict[str, Any]:
    killed = _notice_members(
        kill.story_id, kill.version, kill.release_no, notice_of(note_of_kill(kill)), kill.replacement
    )
    return {**killed, "killed_at": rfc3339(from_epoch_us(kill.at))}


def _notice_members(
    story_id: str, version: int, release_no: int, notice: str | None, replacement: str | None
) -> dict[str, Any]:
    return {
        "story_id": story_id,
        "version": version,
        "release_no": release_no,
        "notice": notice,
        "replacement": replacement,
    }


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.at_us}:{place.story_id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        at_us, _, story_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        place = Place(int(at_us), story_id)
    except (ValueError, binascii.Error):
        raise unfit_parameter("cursor", "not a cursor of this list") from None
    if not 0 <= place.at_us < _END_OF_TIME_US:
        raise unfit_parameter("cursor", "not a cursor of this list")
    return place
