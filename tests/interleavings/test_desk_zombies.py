"""What an owner of old writes late does not stay: the topics end as the owner of today has them.

On a compacted topic the last record of a key is the one that is kept, so the order of writing decides what the next
owner, the gates and the views will find.
"""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from shared.domain.events import parse_event
from shared.domain.state import KillRecord, StoryState, TextRef
from shared.platform.records import Record
from shared.platform.topics import Topic, key_of
from tests.services.moderation.service import (
    WITHIN,
    Around,
    around_it,
    moderation,
    moderation_process,
    order,
    struck,
)
from tests.waiting import wait_until

STORY = "urn:slugline:t:1"


def of_key(around: Around, topic: Topic, key: str) -> list[Record]:
    return [record for record in around.records[topic] if record.key == key]


async def outdone(around: Around, topic: Topic, key: str, late: int) -> Record:
    """Wait until a record lies behind the late one, and return it: the one that compaction would keep."""

    def last() -> Record | None:
        return next((one for one in reversed(of_key(around, topic, key)) if one.offset > late), None)

    found = await wait_until(last, within=WITHIN, message=f"nothing lies behind the late record on {topic}")
    assert found is not None
    return found


async def updated(around: Around, story: str) -> None:
    """A story that was released in two versions, of which the first one's text is gone."""
    await around.file(story, "one")
    await wait_until(lambda: len(around.released(story)) == 1, within=WITHIN)
    await around.file(story, "two", version=2)
    await wait_until(lambda: len(of_key(around, Topic.TEXT, key_of(story, "1"))) == 2, within=WITHIN)


async def an_older_state(around: Around, story: str) -> None:
    """The next owner would number its releases anew."""
    late = (await around.put_again(of_key(around, Topic.STATE, story)[0])).offset
    again = await outdone(around, Topic.STATE, story, late)
    assert StoryState.model_validate_json(again.value or b"").release_no == 2


async def an_older_release(around: Around, story: str) -> None:
    """Views are rebuilt from what is current; a decision was taken since, so the newest entry is no release."""
    await around.decide(story, "confirm")
    await wait_until(lambda: len(of_key(around, Topic.STATE, story)) == 3, within=WITHIN)
    first, ours = of_key(around, Topic.CURRENT, story)
    late = (await around.put_again(first)).offset
    assert (await outdone(around, Topic.CURRENT, story, late)).value == ours.value


async def another_text(around: Around, story: str) -> None:
    """Compaction would leave the state with a place where nothing is."""
    key = key_of(story, "2")
    [ours], [first, _] = of_key(around, Topic.TEXT, key), of_key(around, Topic.TEXT, key_of(story, "1"))
    late = (await around.put(Topic.TEXT, key, first.value or b"")).offset
    again = await outdone(around, Topic.TEXT, key, late)
    assert again.value == ours.value

    def place() -> bool:
        state = around.state(story)
        return state is not None and state.versions[2].text == TextRef(partition=again.partition, offset=again.offset)

    await wait_until(place, within=WITHIN)


async def a_text_that_was_dropped(around: Around, story: str) -> None:
    """What was replaced or killed must not lie there for ever."""
    key = key_of(story, "1")
    late = (await around.put_again(of_key(around, Topic.TEXT, key)[0])).offset
    assert (await outdone(around, Topic.TEXT, key, late)).value is None


async def another_kill(around: Around, story: str) -> None:
    """Gates go by the release number that the kill's own record names."""
    await around.decide(story, "kill")
    [ours] = await wait_until(lambda: of_key(around, Topic.KILLED, story), within=WITHIN)
    other = KillRecord.model_validate_json(ours.value or b"").model_copy(update={"release_no": 2})
    late = (await around.put(Topic.KILLED, story, other.model_dump_json().encode())).offset
    assert (await outdone(around, Topic.KILLED, story, late)).value == ours.value


async def test_what_comes_late_on_a_compacted_topic_is_outdone_by_the_owner(around: Around) -> None:
    """On every topic that only the owner writes, each for its reason (see the scenes); nothing is released anew."""
    scenes = (an_older_state, an_older_release, another_text, a_text_that_was_dropped, another_kill)
    async with moderation(around.kafka):
        for scene in scenes:
            await updated(around, scene.__name__)
        await asyncio.gather(*(scene(around, scene.__name__) for scene in scenes))
    assert [[one.release_no for one in around.released(scene.__name__)] for scene in scenes] == [[1, 2]] * len(scenes)


async def test_the_next_owner_goes_by_the_term_where_nobody_was_left_to_outdo_it(around: Around) -> None:
    """The owner died before it saw the late write: of two records the one of the higher term counts."""
    async with moderation(around.kafka):
        await around.file(STORY, "one")
        await wait_until(lambda: len(around.released(STORY)) == 1, within=WITHIN)
    async with moderation(around.kafka):
        await around.file(STORY, "two", version=2)
        await wait_until(lambda: len(of_key(around, Topic.CURRENT, STORY)) == 2, within=WITHIN)
    await around.put_again(of_key(around, Topic.STATE, STORY)[0])
    async with moderation(around.kafka):
        await around.file(STORY, "three", version=3)
        await wait_until(lambda: len(around.released(STORY)) == 3, within=WITHIN)
    assert [event.release_no for event in around.released(STORY)] == [1, 2, 3]


# --- two processes, one of them paused for longer than its session --------------------------------------


def released_twice(around: Around) -> bool:
    """Whether the state and what is current, as compaction would keep them, are those of the second release."""
    states, currents = of_key(around, Topic.STATE, STORY), of_key(around, Topic.CURRENT, STORY)
    if not states or not currents:
        return False
    state = StoryState.model_validate_json(states[-1].value or b"")
    return state.release_no == parse_event(currents[-1].value).release_no == 2


async def paused_owner_wakes(around: Around, folder: Path, topic: Topic) -> None:
    """Pause the owner just as it writes to `topic`, let another one take over and go on, and wake it."""
    order(folder, f"publish.{topic}.before 1 stop")
    async with moderation_process(around.kafka, failpoints=folder) as old:
        await around.file(STORY, "one")
        await struck(folder)
        async with moderation_process(around.kafka, instance=1):
            await wait_until(lambda: around.released(STORY), within=WITHIN)
            await around.file(STORY, "two", version=2)
            await wait_until(lambda: released_twice(around), within=WITHIN)
            ours = of_key(around, topic, STORY)[-1].offset
            old.send_signal(signal.SIGCONT)
            assert await asyncio.wait_for(old.wait(), WITHIN) == 70  # expelled: it ends instead of joining again
            await around.see_all()
            # it may hear that it is expelled before its write is on the way; nearly always the write is faster
            late = [record.offset for record in of_key(around, topic, STORY) if record.offset > ours]
            if late:
                await outdone(around, topic, STORY, late[0])
            await wait_until(lambda: released_twice(around), within=WITHIN)


async def test_an_owner_that_was_paused_past_its_session_changes_nothing(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """It wakes in the midst of a write; what of it arrives lies behind the new owner's, who has gone on meanwhile."""
    async with AsyncExitStack() as opened:
        scenes = []
        for topic in (Topic.STATE, Topic.CURRENT):
            folder = tmp_path / topic
            folder.mkdir()
            around = await opened.enter_async_context(around_it(kafka_bootstrap, f"{topic_prefix}{topic.name}."))
            scenes.append((around, folder, topic))
        await asyncio.gather(*(paused_owner_wakes(*scene) for scene in scenes))
    for around, _, _ in scenes:
        assert {event.release_no for event in around.released(STORY)} == {1, 2}
        assert len({event.model_dump_json() for event in around.released(STORY)}) == 2
