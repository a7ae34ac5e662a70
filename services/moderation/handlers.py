"""What becomes of one input? Filings, desk decisions and lifts: read → decide → text → state → outputs.

Each step is confirmed before the next, so a crash anywhere leaves a state from which the rest follows. Whatever the
newest entry of a story implies is on the wire before the story's next input is looked at.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.moderation import chains, kills
from services.moderation.corrections import base_of
from services.moderation.drafts import Draft, draft, draft_correction, draft_waiting
from services.moderation.ports import Ledger, Texts
from services.moderation.releases import release_event
from services.moderation.state_book import StateBook
from shared.domain.errors import Undecodable
from shared.domain.events import DeskDecided, EmbargoDue, StoryEnriched, epoch_us, from_epoch_us
from shared.domain.lifecycle import Deciding, Input, Lifting, Position, decide, keeps_text
from shared.domain.release_item import LostText
from shared.domain.state import StoryState, StoryText, VersionState
from shared.domain.story import Ninjs, is_embargoed
from shared.platform.clock import Clock
from shared.platform.envelopes import decode
from shared.platform.logs import logger
from shared.platform.metrics import DECISIONS, EMBARGO_LATE_SECONDS, RELEASES
from shared.platform.records import Record
from shared.platform.topics import KEY_SEPARATOR

ACTS_ON: Final = (StoryEnriched, DeskDecided, EmbargoDue)
TEXT_LISTS: Final = ("headlines", "descriptions", "bodies")

Taken = StoryEnriched | DeskDecided | EmbargoDue


def read(record: Record) -> Taken:
    """Return the input in a record of the inboxes; raises Unprocessable for what can never be one."""
    event = decode(record, kinds=ACTS_ON)
    assert isinstance(event, ACTS_ON)
    if not event.story_id or KEY_SEPARATOR in event.story_id:
        raise Undecodable("story_id: it can be no key, being empty or holding a tab")
    if record.key != event.story_id:
        raise Undecodable("the record's key is not its story's id, so it may lie in somebody else's partition")
    if not isinstance(event, DeskDecided) and (event.version or 0) < 1:
        raise Undecodable("version: a filing or lift needs one, from 1")
    if isinstance(event, StoryEnriched):
        _check_texts(event.data.story)
    return event


def _check_texts(story: Ninjs) -> None:
    """Raise Undecodable unless what is read of a story has its ninjs shape; all else of it is carried unseen."""
    for name in TEXT_LISTS:
        entries = story.get(name, [])
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get("value", ""), str) for entry in entries
        ):
            raise Undecodable(f"data.story.{name}: it is no list of texts")


@dataclass(frozen=True, slots=True)
class Desk:
    """The owner of its stories' states, with the tools it works with; `clock` is for stage times only."""

    book: StateBook
    ledger: Ledger
    texts: Texts
    clock: Clock

    async def handle(self, record: Record, event: Taken) -> None:
        """Take one input; returns when all its effects are confirmed. May be called again with the same record.

        The append time of the record is the time that counts for embargoes. One input of a story at a time. Raises
        what the ports raise; then the process must not go on, for what it wrote may or may not be there.
        """
        now = from_epoch_us(record.timestamp_ms * 1000)
        at = Position(record.topic.value, record.partition, record.offset)
        await self._finish_kill(event.story_id, at)
        await self.settle(event.story_id)
        if not self.book.of(event.story_id).entry(event.event_id):
            await self._take_event(event, now, at)
        if isinstance(event, StoryEnriched):  # also when it comes again: a crash may have come between
            await self._take_up(event, now, at)

    async def _take_event(self, event: Taken, now: datetime, at: Position) -> None:
        match event:
            case StoryEnriched():
                await self._take_filing(event, now, at)
            case DeskDecided():
                await self._take(event.story_id, Deciding(event.event_id, event.data), now, at)
            case EmbargoDue():
                await self._take_lift(event, now, at)

    async def settle(self, story_id: str) -> None:
        """Put out again what the newest entry implies where it may not be confirmed; nothing to do otherwise."""
        if self.book.is_owed(story_id):
            await self._put_out(self.book.of(story_id))

    async def _take_up(self, event: StoryEnriched, now: datetime, at: Position) -> None:
        """Take the corrections that waited for this filing, one after the other."""
        while (version := chains.ready(self.book.of(event.story_id), event.version or 0)) and version.text:
            text = await self.texts.fetch(version.text)
            if text is None:
                raise LostText(f"{event.story_id}: the text of version {version.version} is gone, which waited")
            await self._take_filing(chains.taken_up(event, version, text), now, at, continues=version)

    async def _take_filing(
        self, event: StoryEnriched, now: datetime, at: Position, continues: VersionState | None = None
    ) -> None:
        state = self.book.of(event.story_id)
        drafted = (await self._draft(event, state, continues)).continuing(continues)
        for failure in drafted.failures:
            logger().error("rule.broken", rule=failure.rule, error=failure.error, story_id=event.story_id)
        after = decide(state, drafted.filing, now, at)
        text = None
        if keeps_text(after, drafted.filing):
            text = drafted.numbered(after.applied[-1].version or 0)
            after = decide(state, drafted.kept_at(await self.ledger.keep_text(text)), now, at)
        await self._keep(after, text)

    async def _take_lift(self, event: EmbargoDue, now: datetime, at: Position) -> None:
        if is_embargoed(event.data.due_at, now):
            return  # too early by the broker's clock: not entered, since it is sent again
        lifting = Lifting(event.event_id, event.version or 0, event.data.due_at)
        after = await self._take(event.story_id, lifting, now, at)
        if after.applied[-1].release:
            EMBARGO_LATE_SECONDS.observe((now - event.data.due_at).total_seconds())

    async def _take(self, story_id: str, given: Input, now: datetime, at: Position) -> StoryState:
        state = self.book.of(story_id)
        after = decide(state, given, now, at)
        await self._keep(after)
        return after

    async def _draft(self, event: StoryEnriched, state: StoryState, continues: VersionState | None) -> Draft:
        now_us = epoch_us(self.clock.now())
        if continues is None and (awaits := chains.awaited(state, event)):
            return draft_waiting(event, awaits, now_us)
        if event.data.correction is None or state.killed:
            return draft(event, now_us)
        base = base_of(state)
        text = await self.texts.fetch(base.text) if base and base.text else None
        return draft_correction(event, base, text, now_us)

    async def _keep(self, after: StoryState, text: StoryText | None = None) -> None:
        """Write what was decided, then what follows from it; `text` is the one just kept, if any."""
        partition = after.applied[-1].partition
        if after.killed and not self.book.knows_kill(after.story_id):
            await self.ledger.keep_kill(after.killed)
            self.book.put_kill(partition, after.killed)
        await self.ledger.keep_state(after)
        self.book.owed(after.story_id)
        self.book.put(partition, after)
        _tell(after)
        await self._put_out(after, text)

    async def _finish_kill(self, story_id: str, at: Position) -> None:
        record = self.book.unfinished_kill(story_id)
        if record is not None:
            await self._keep(kills.finished(self.book.of(story_id), record, at))

    async def _put_out(self, state: StoryState, text: StoryText | None = None) -> None:
        entry = state.applied[-1]
        if entry.release:
            if text is None and entry.release.text:
                text = await self.texts.fetch(entry.release.text)
            await self.ledger.put_out(release_event(state, entry.release, text))
        if entry.drop:
            await self.ledger.drop_texts(state.story_id, entry.drop)
        self.book.settled(state.story_id)


def _tell(state: StoryState) -> None:
    """Count and log one decision: ids, never a word of the story."""
    entry = state.applied[-1]
    version = state.versions.get(entry.version or 0)
    lane = entry.release.lane if entry.release else version.lane if version else ""
    DECISIONS.labels(entry.outcome, lane).inc()
    if entry.release:
        RELEASES.labels(entry.release.kind, entry.release.lane).inc()
    logger().info(
        "story.decided",
        story_id=state.story_id,
        event_id=entry.event_id,
        outcome=entry.outcome,
        version=entry.version,
        release_no=entry.release.release_no if entry.release else None,
        queue=version.queue if version else None,
    )
