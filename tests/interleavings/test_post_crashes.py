"""The crash table of webhooks, row by row: the real process dies at the point, another life goes on behind it."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import item
from tests.services.distribution.process import WITHIN, Post, post_on
from tests.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Row:
    """A point, what the receiver answers first, and how often the webhook may come in all."""

    point: str
    comes: int
    answers: tuple[int, ...] = ()


ROWS = (
    Row(f"publish.{Topic.RECIPIENTS}.after", comes=1),
    Row(f"publish.{Topic.DUE}.after", comes=1),
    Row(f"commit.{Topic.RELEASED}.before", comes=1),
    Row("post.before", comes=1),
    Row("post.sent", comes=2),
    Row("post.after", comes=2),
    Row(f"publish.{Topic.ATTEMPTS}.before", comes=2),
    Row(f"publish.{Topic.ATTEMPTS}.after", comes=1),
    Row(f"commit.{Topic.DUE}.before", comes=1),
    Row(f"publish.{Topic.RETRY_10S}.after", comes=2, answers=(500,)),
)
SIDE_BY_SIDE = 2


async def test_whoever_dies_at_any_row_of_the_crash_table_loses_nothing(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Each webhook comes, under one id, and a second time only where its answer was not written down."""

    async with AsyncExitStack() as opened, asyncio.TaskGroup() as sides:
        for number in range(SIDE_BY_SIDE):
            kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=f"{number}.{topic_prefix}")
            (folder := tmp_path / str(number)).mkdir()
            post = await opened.enter_async_context(post_on(kafka, folder))
            sides.create_task(die_at_each(post, ROWS[number::SIDE_BY_SIDE]))


async def die_at_each(post: Post, rows: Sequence[Row]) -> None:
    for row in rows:
        await die_at(post, row)
    assert len(post.copies()) == len(rows)


async def die_at(post: Post, row: Row) -> None:
    """One story: a life ends at the row's point, the next one brings the story to its end and is killed, too."""
    story_id = f"urn:crash:{row.point}"
    post.recorder.answers.extend(row.answers)
    await post.start(f"{row.point} 1 kill")
    await post.release(item(story_id=story_id))
    await post.died()
    await post.start()
    await wait_until(lambda: post.ends(story_id).get(1) == "delivered", WITHIN, message=row.point)
    await post.kill()
    assert len(post.arrivals(story_id)) == row.comes, row.point
