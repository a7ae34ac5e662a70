"""How are the desk's effects written so that they are known to be there, and only while the stories are ours?"""

from collections.abc import Collection, Sequence
from typing import Final

from services.moderation.adapters.texts import RecentTexts
from services.moderation.own_writes import OwnWrites
from services.moderation.ports import NoLongerOwner
from shared.domain.events import StoryReleased
from shared.domain.state import KillRecord, StoryState, StoryText, TextRef, encode_state
from shared.domain.story import Lane
from shared.platform.consuming import Membership
from shared.platform.envelopes import encode, headers_for
from shared.platform.publishing import Appended, Outgoing, Publisher
from shared.platform.topics import Topic, key_of

TERM: Final = "term"
"""Header of states and kills: the term of the owner that wrote them (see `OwnWrites`)."""

_LANES = {Lane.FLASH: Topic.RELEASED_FLASH, Lane.ROUTINE: Topic.RELEASED}


class KafkaLedger:
    """`services.moderation.ports.Ledger` on the topics of the table."""

    def __init__(
        self,
        publisher: Publisher,
        membership: Membership,
        own: OwnWrites | None = None,
        recent: RecentTexts | None = None,
    ) -> None:
        """`own` and `recent` are shared with whoever reads these topics back."""
        self._publisher = publisher
        self._membership = membership
        self._own = own or OwnWrites()
        self._recent = recent or RecentTexts()

    async def keep_text(self, text: StoryText) -> TextRef:
        key, value = key_of(text.story_id, str(text.version)), _json(text)
        [there] = await self._write([Outgoing(Topic.TEXT, key, value)])
        self._recent.remember(there.partition, there.offset, value)
        return TextRef(partition=there.partition, offset=there.offset)

    async def keep_kill(self, record: KillRecord) -> None:
        await self._write([Outgoing(Topic.KILLED, key_of(record.story_id), _json(record), self._term())])

    async def keep_state(self, state: StoryState) -> None:
        await self._write([Outgoing(Topic.STATE, key_of(state.story_id), encode_state(state), self._term())])

    async def put_out(self, event: StoryReleased) -> None:
        key, value, headers = key_of(event.story_id), encode(event), headers_for(event)
        lane = _LANES[event.data.item.lane]
        await self._write([Outgoing(topic, key, value, headers) for topic in (lane, Topic.CURRENT)])

    async def keep_current(self, event: StoryReleased) -> None:
        await self._write([Outgoing(Topic.CURRENT, key_of(event.story_id), encode(event), headers_for(event))])

    async def drop_texts(self, story_id: str, versions: Collection[int]) -> None:
        await self._write([Outgoing(Topic.TEXT, key_of(story_id, str(version)), None) for version in versions])

    async def _write(self, records: Sequence[Outgoing]) -> list[Appended]:
        if not self._membership.alive():
            age = self._membership.last_heartbeat_age()
            raise NoLongerOwner(f"the last heartbeat is {age:.1f} s old: the partitions may have a new owner")
        confirmed = await self._publisher.publish_all(records)
        for record, appended in zip(records, confirmed, strict=True):
            if record.topic not in _LANES.values():
                self._own.wrote(record.topic, record.key, appended.offset)
        return confirmed

    def _term(self) -> list[tuple[str, bytes]]:
        return [(TERM, str(self._own.term).encode())]


def _json(record: StoryText | KillRecord) -> bytes:
    return record.model_dump_json().encode()
