"""How long from accepted to received? Stories are filed at a steady rate, or as fast as they are taken."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from deploy.local.timeline import HOPS
from tests.bench.command import Say
from tests.journeys.instance import Wire
from tests.journeys.listening import Stream, follow
from tests.journeys.people import Desk, Subscriber, a_secret
from tests.journeys.texts import a_story
from tests.receivers.recording import verifies
from tests.receivers.serving import Peer, Request, answer
from tests.waiting import wait_until

ARRIVE_WITHIN_S = 60.0
AT_ONCE = 32
WARM_UP = 60
PROGRESS_EVERY_S = 10.0


@dataclass(slots=True)
class Arrivals:
    """When each story came (epoch µs), by its id; requests are kept to be verified after the clock has stopped."""

    secret: str
    webhooks: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    stages: dict[str, dict[str, int]] = field(default_factory=dict)
    kept: list[Request] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        """Receive: note the time, answer 200."""
        while request := await peer.request():
            now = _now_us()
            message = json.loads(request.body)
            if message["type"] == "endpoint.challenge":
                await peer.say(answer(200, message["data"]["challenge"].encode()))
                continue
            await peer.say(answer(200))
            item = message["data"]
            self.webhooks.setdefault(item["story_id"], now)
            self.answered.setdefault(item["story_id"], _now_us())
            self.stages.setdefault(item["story_id"], item["stage_times"])
            self.kept.append(request)

    def unverified(self) -> int:
        """How many of the webhooks `standardwebhooks` does not verify."""
        return sum(not verifies(request, self.secret) for request in self.kept)


@dataclass(frozen=True, slots=True)
class Run:
    """One load: durations in milliseconds, each from the moment the door accepted the story.

    `filing` is how long the desk waited for its 202, `hops` from each stage to the next, as far as an item tells its
    stages; `per_second` counts stories that came out at both ends.
    """

    filed: int
    filing: list[float]
    webhook: list[float]
    answered: list[float]
    stream: list[float]
    hops: dict[str, list[float]]
    seconds: float

    @property
    def per_second(self) -> float:
        return self.filed / self.seconds


@dataclass(slots=True)
class Load:
    """Files into a running wire and sees what comes out of it: one endpoint, one stream."""

    desk: Desk
    arrivals: Arrivals
    stream: Stream
    say: Say

    async def steady(self, rate: float, seconds: float, urgency: int) -> Run:
        """File `rate` stories a second, each at its own time whatever became of those before it."""
        stories = [a_story(urgency=urgency) for _ in range(round(rate * seconds))]
        async with asyncio.TaskGroup() as group, self._telling(stories):
            began = asyncio.get_running_loop().time()
            filings = []
            for number, story in enumerate(stories):
                await asyncio.sleep(began + number / rate - asyncio.get_running_loop().time())
                filings.append(group.create_task(self._file(story)))
        return await self._came(stories, [filing.result() for filing in filings], began)

    async def burst(self, count: int) -> Run:
        """File `count` stories as fast as they are taken, `AT_ONCE` at a time."""
        stories = [a_story() for _ in range(count)]
        gate, began = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop().time()

        async def file(story: dict[str, Any]) -> float:
            async with gate:
                return await self._file(story)

        async with self._telling(stories):
            took = await asyncio.gather(*map(file, stories))
        return await self._came(stories, took, began)

    async def _file(self, story: dict[str, Any]) -> float:
        began = time.perf_counter()
        await self.desk.file(story)
        return (time.perf_counter() - began) * 1000

    async def _came(self, stories: list[dict[str, Any]], filing: list[float], began: float) -> Run:
        ids = [story["uri"] for story in stories]
        await wait_until(lambda: self._missing(ids) == 0, ARRIVE_WITHIN_S, message="every story arrived twice")
        seen = self._seen()
        webhooks, stages = self.arrivals.webhooks, [self.arrivals.stages[each] for each in ids]
        accepted = {each: stage["accepted"] for each, stage in zip(ids, stages, strict=True)}
        last = max(max(webhooks[each], seen[each]) for each in ids)
        first = min(accepted[each] for each in ids)
        return Run(
            filed=len(ids),
            filing=filing,
            webhook=[(webhooks[each] - accepted[each]) / 1000 for each in ids],
            answered=[(self.arrivals.answered[each] - accepted[each]) / 1000 for each in ids],
            stream=[(seen[each] - accepted[each]) / 1000 for each in ids],
            hops=_hops(
                [{**stage, "webhook received": webhooks[each]} for each, stage in zip(ids, stages, strict=True)]
            ),
            seconds=(last - first) / 1e6,
        )

    def _missing(self, ids: list[str]) -> int:
        seen = self._seen()
        return sum(each not in self.arrivals.webhooks or each not in seen for each in ids)

    def _seen(self) -> dict[str, int]:
        return {each.data["story_id"]: each.at for each in reversed(self.stream.events) if each.event == "story"}

    @asynccontextmanager
    async def _telling(self, stories: list[dict[str, Any]]) -> AsyncIterator[None]:
        """Say every few seconds how far it is."""
        ids = [story["uri"] for story in stories]

        async def tell() -> None:
            while True:
                await asyncio.sleep(PROGRESS_EVERY_S)
                self.say(f"    {len(ids) - self._missing(ids)} of {len(ids)} stories arrived")

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()


@asynccontextmanager
async def a_load(wire: Wire, say: Say) -> AsyncIterator[tuple[Load, Arrivals]]:
    """Open a desk, an endpoint subscribed to everything, and a stream, all of them warm."""
    arrivals = Arrivals(a_secret())
    async with (
        Desk(wire) as desk,
        Subscriber(wire) as subscriber,
        subscriber.endpoint(arrivals, secret=arrivals.secret) as endpoint_id,
    ):
        await subscriber.made("/v1/subscriptions", name="bench", endpoint_id=endpoint_id, ordering="every", filter={})
        stream = Stream()
        following = asyncio.create_task(follow(subscriber.api, {}, None, stream))
        try:
            await wait_until(lambda: stream.events, 15, message="hello on the stream")
            load = Load(desk, arrivals, stream, say)
            await load.burst(WARM_UP)
            yield load, arrivals
        finally:
            following.cancel()
            await asyncio.wait({following})


def _now_us() -> int:
    return time.time_ns() // 1000


def _hops(stories: list[dict[str, int]]) -> dict[str, list[float]]:
    """Milliseconds from each stage to the next, by name of the hop."""
    hops: dict[str, list[float]] = {}
    for times in stories:
        known = [name for name in (*HOPS, "webhook received") if name in times]
        for before, after in pairwise(known):
            hops.setdefault(f"{before} to {after}", []).append((times[after] - times[before]) / 1000)
    return hops
