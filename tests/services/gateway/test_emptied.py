"""Is any answer wrong while Redis is emptied under thousands of stories that people are reading?"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import httpx2
import pytest

from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings
from tests.services.gateway.serving import BY_OPERATOR, empty, gateway, path_of, release, status
from tests.services.gateway.stories import item
from tests.services.gateway.twins import NOON
from tests.waiting import wait_until

STORIES = 5_000
AT_ONCE = 500
TIMES = 3
READERS = 2
PACE_S = 0.01  # of a reader, which shares the process with whoever rebuilds
SECOND = timedelta(seconds=1)
STORY_IDS = [f"urn:example:story:{number}" for number in range(STORIES)]


@dataclass
class Readers:
    """People who read stories, lists and feeds all the while; `wrong` is every answer that was not right."""

    http: httpx2.AsyncClient
    rng: Random = field(default_factory=lambda: Random(7))
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def read_on(self) -> None:
        while True:
            await self._ask(path_of(story_id := self.rng.choice(STORY_IDS)), story_id)
            await self._ask("/v1/stories?limit=50", *STORY_IDS[:-51:-1])
            await self._ask(f"{path_of(story_id)}/versions", story_id)
            await self._ask("/feeds/latest.json", *STORY_IDS[:-51:-1])
            await asyncio.sleep(PACE_S)

    async def _ask(self, path: str, *expected: str) -> None:
        """Right is what is expected, in this order, or 503 with `Retry-After`."""
        answer = await self.http.get(path, headers=BY_OPERATOR, timeout=30)
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            if not answer.headers.get("retry-after", "").isdigit():
                self.wrong.append(f"{path}: 503 without Retry-After")
        elif answer.status_code != 200:
            self.wrong.append(f"{path}: {answer.status_code}")
        elif (shown := _ids(answer))[: len(expected)] != list(expected):
            self.wrong.append(f"{path}: {len(shown)} stories, from {shown[:1]} on")


def _ids(answer: httpx2.Response) -> list[str]:
    """The stories of a page, a list or a feed."""
    told = answer.json()
    return [one.get("story_id") or one["id"] for one in told.get("items", [told])]


@pytest.mark.timeout(300)
async def test_an_emptied_redis_makes_no_answer_wrong(
    kafka: KafkaSettings, publisher: Publisher, redis_url: str
) -> None:
    """What was kept, what is rebuilt, or 503 with `Retry-After`; never 404, an empty list or a short one."""
    items = [item(1, story_id=each, at=NOON + number * SECOND) for number, each in enumerate(STORY_IDS)]
    for begin in range(0, STORIES, AT_ONCE):
        await release(publisher, *items[begin : begin + AT_ONCE])
    async with gateway(kafka, redis_url) as http:
        readers = Readers(http)
        reading = [asyncio.create_task(readers.read_on()) for _ in range(READERS)]
        try:
            for _ in range(TIMES):
                before = readers.answers[503]
                await empty(kafka, redis_url)
                await wait_until(lambda was=before: readers.answers[503] > was, within=30)  # type: ignore[misc]
                await wait_until(lambda: status(http, f"{path_of(STORY_IDS[0])}/versions", 200), within=120)
        finally:
            for each in reading:
                each.cancel()
            ended = await asyncio.gather(*reading, return_exceptions=True)
        assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []
        assert readers.wrong == []
        assert readers.answers[200] > TIMES * READERS
