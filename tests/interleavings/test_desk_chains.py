"""Five parts of a chain, in orders drawn from all 120, through the real desk on a real broker."""

from itertools import permutations
from typing import Any

from shared.domain.events import StoryReleased
from shared.domain.story import Kind
from shared.platform.topics import Topic
from tests.services.moderation.service import WITHIN, Around, around_it, moderation
from tests.waiting import wait_until

EVERY = 10
CORRECTS = {2: "by", 5: "edNote"}


async def file_part(around: Around, story: str, number: int) -> None:
    """Version `number`: a whole text, or one field that was wrong in the version before."""
    field = CORRECTS.get(number)
    if field is None:
        await around.file(story, f"Text {number}.", version=number, assigned=False)
        return
    named = {"note": "it was wrong", "fields": [f"/{field}"]}
    part = {field: f"Corrected {number}"}
    more: dict[str, Any] = {"kind": Kind.CORRECT, "correction": named, "story": part}
    await around.file(story, f"part {number}", version=number, assigned=False, **more)


def current(around: Around, story: str) -> StoryReleased | None:
    """What views are rebuilt from, once it is the fifth version."""
    event = next(reversed(around.released(story, Topic.CURRENT)), None)
    return event if event is not None and event.version == 5 else None


async def test_a_tenth_of_all_orders_end_in_the_same_public_story(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Each order is a story of its own; a correction that comes early waits in the log and in the state."""
    orders = {f"urn:slugline:t:{''.join(map(str, order))}": order for order in list(permutations(range(1, 6)))[::EVERY]}
    async with around_it(kafka_bootstrap, topic_prefix) as around, moderation(around.kafka):
        for story, order in orders.items():
            for number in order:
                await file_part(around, story, number)
        await wait_until(lambda: all(current(around, story) for story in orders), within=WITHIN)
        ends = [current(around, story) for story in orders]
    texts = {(one.data.item.story["bodies"][0]["value"], one.data.item.story["edNote"]) for one in ends if one}
    assert texts == {("Text 4.", "Corrected 5")}
