"""What is done when a record of somebody else appears behind ours: a write of an earlier owner that came late?

A process that was paused in the midst of a write finishes it when it wakes, whoever owns the story by then; and a write
that was given up may still arrive. On a compacted topic the last record of a key is the one that stays, so the owner
writes its own again. Releases need no such care: their readers go by `release_no`.
"""

import asyncio
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from services.moderation.own_writes import OwnWrites
from services.moderation.ports import Archive, Ledger, Texts
from services.moderation.releases import release_event, standing_note
from services.moderation.state_book import StateBook
from services.moderation.story_queue import StoryQueue
from shared.domain.errors import Undecodable, UnknownEventType
from shared.domain.events import parse_event
from shared.domain.state import KillRecord, StoryState, TextRef, encode_state
from shared.platform.handling import Completion
from shared.platform.logs import logger
from shared.platform.records import Record
from shared.platform.topics import Topic, parts_of

SETTLES_IN: Final = 0.25
"""Seconds until a record is judged: our own may be read before it is confirmed."""


class Latecomers:
    """Follows what the owner's topics get, as long as the partitions are ours."""

    def __init__(
        self, book: StateBook, archive: Archive, ledger: Ledger, texts: Texts, queue: StoryQueue, own: OwnWrites
    ) -> None:
        self._book = book
        self._archive = archive
        self._ledger = ledger
        self._texts = texts
        self._queue = queue
        self._own = own
        self._unsure: list[Record] = []
        self._term: asyncio.Task[None] | None = None
        self._failure: asyncio.Future[None] = asyncio.Future()

    # As long as the partitions are ours

    async def run(self, stop: asyncio.Event) -> None:
        """Job: lasts until `stop`, or raises what following or writing again raised."""
        stopping = asyncio.create_task(stop.wait())
        either: set[asyncio.Future[Any]] = {stopping, self._failure}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
        finally:
            stopping.cancel()
            await self.end()

    def begin(self) -> None:
        """Follow from where the archive was loaded."""
        self._term = asyncio.create_task(self._archive.follow(self.see))
        self._term.add_done_callback(self._ended)

    async def end(self) -> None:
        """Follow no more; what was not judged yet is the next owner's to see. May be repeated."""
        term, self._term = self._term, None
        self._unsure = []
        if term is not None:
            term.cancel()
            await asyncio.wait({term})

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    # Judging

    def see(self, record: Record) -> None:
        """Take in a record of one of the topics."""
        if record.key is None or not self._own.is_strange(record.topic, record.key, record.offset):
            return
        if not self._unsure:
            asyncio.get_running_loop().call_later(SETTLES_IN, self._judge)
        self._unsure.append(record)

    def _judge(self) -> None:
        records, self._unsure = self._unsure, []
        for record in records:
            if self._own.is_strange(record.topic, record.key or "", record.offset):
                turn = self._queue.next_turn(parts_of(record.key or "")[0], partial(self.outdo, record))
                turn.add_done_callback(self._done)

    def _done(self, turn: Completion) -> None:
        if error := turn.exception():
            self._fail(error)

    # Writing again

    async def outdo(self, record: Record) -> None:
        """Write our own record again if this one is not ours and ours says something else; in the story's turn only."""
        key = record.key or ""
        if not self._own.is_strange(record.topic, key, record.offset):
            return
        story_id, *rest = parts_of(key)
        state = self._book.of(story_id)
        match record.topic:
            case Topic.STATE:
                again = await self._state_again(state, record)
            case Topic.KILLED:
                again = await self._kill_again(story_id, record)
            case Topic.CURRENT:
                again = await self._current_again(state, record)
            case _:
                again = await self._text_again(state, rest[0] if rest else "", record)
        if again:
            at = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            logger().warning("owner.outdid", story_id=story_id, **at)

    async def _state_again(self, state: StoryState, record: Record) -> bool:
        if not self._book.knows(state.story_id) or record.value == encode_state(state):
            return False
        await self._ledger.keep_state(state)
        return True

    async def _kill_again(self, story_id: str, record: Record) -> bool:
        """A kill that we know nothing of was decided all the same: it is finished with the story's next input."""
        ours, told = self._book.kill(story_id), _kill_in(record)
        if ours is None and told is not None:
            self._book.put_kill(record.partition, told)
        if ours is None or told == ours:
            return False
        await self._ledger.keep_kill(ours)
        return True

    async def _current_again(self, state: StoryState, record: Record) -> bool:
        note = standing_note(state)
        if note is None or _release_no_in(record) >= note.release_no:
            return False
        text = await self._texts.fetch(note.text) if note.text else None
        await self._ledger.keep_current(release_event(state, note, text))
        return True

    async def _text_again(self, state: StoryState, number: str, record: Record) -> bool:
        """Keep our text at a new place, or lay a tombstone over one that is to be gone."""
        version = state.versions.get(int(number)) if number.isdigit() else None
        if version is None or version.text is None:
            if record.value is None or not number.isdigit():
                return False
            await self._ledger.drop_texts(state.story_id, (int(number),))
            return True
        if record.offset <= version.text.offset:
            return False
        text = await self._texts.fetch(version.text)
        if text is None:
            logger().error("text.lost", story_id=state.story_id, version=version.version)
            return False
        after = _moved(state, version.version, await self._ledger.keep_text(text))
        await self._ledger.keep_state(after)
        self._book.put(record.partition, after)
        return True


def _moved(state: StoryState, number: int, there: TextRef) -> StoryState:
    """Return the state with a version's text at its new place, in the newest entry as well."""
    version = state.versions[number]
    applied = list(state.applied)
    if applied and (note := applied[-1].release) and note.text == version.text:
        applied[-1] = applied[-1].model_copy(update={"release": note.model_copy(update={"text": there})})
    versions = {**state.versions, number: version.model_copy(update={"text": there})}
    return state.model_copy(update={"versions": versions, "applied": tuple(applied)})


def _kill_in(record: Record) -> KillRecord | None:
    try:
        return KillRecord.model_validate_json(record.value or b"")
    except ValidationError:
        return None


def _release_no_in(record: Record) -> int:
    """Return the number of a release on `story.current`; what is none counts as older than all."""
    try:
        return parse_event(record.value).release_no or 0
    except (Undecodable, UnknownEventType):
        return 0
