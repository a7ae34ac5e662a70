"""What do monitor's tests need? Events of a story as the services would publish them, and the service itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2

from services.monitor.main import jobs
from services.monitor.settings import MonitorSettings
from shared.domain.events import (
    Attempted,
    DeliveryAttempted,
    DeliveryDue,
    Event,
    FanOutBlock,
    Filed,
    Released,
    StoryEnriched,
    StoryReceived,
    StoryReleased,
    encode_event,
    epoch_us,
)
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane
from shared.platform.envelopes import headers_for
from shared.platform.jobs import Job
from shared.platform.publishing import Appended, Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.domain.stories import enriched, ninjs
from tests.waiting import wait_until

OPERATOR = "sl_local_operator_key_of_a_test"
SECRET_WORDS = "Zeppelin lands on the moon"
WITHIN = 30


@dataclass(frozen=True, slots=True)
class Story:
    """One routine story, accepted at `accepted`, whose stages took 10, 20, 30, 40 and 50 ms."""

    story_id: str
    accepted: datetime

    def times(self, *stages: str) -> dict[str, int]:
        took = {"accepted": 0, "enriched": 10, "decided": 30, "released": 60, "matched": 100}
        return {stage: epoch_us(self.accepted + timedelta(milliseconds=took[stage])) for stage in stages}

    def received(self) -> StoryReceived:
        filed = enriched(SECRET_WORDS).model_dump(exclude={"facts", "contacts", "near_duplicate", "text_hash"})
        return StoryReceived(**self._common("received", "accepted"), data=Filed(**filed))

    def enriched(self) -> StoryEnriched:
        return StoryEnriched(**self._common("enriched", "accepted", "enriched"), data=enriched(SECRET_WORDS))

    def released(self, kind: Kind = Kind.PUBLISH) -> StoryReleased:
        stages = ("accepted", "enriched", "decided", "released")
        return StoryReleased(
            **self._common("released", *stages), release_no=1, data=Released(item=self._item(kind), facts=Facts())
        )

    def due(self, *endpoint_ids: str) -> DeliveryDue:
        stages = ("accepted", "enriched", "decided", "released", "matched")
        block = FanOutBlock(item=self._item(), endpoint_ids=endpoint_ids, shard=0)
        return DeliveryDue(**self._common("due", *stages), release_no=1, data=block)

    def attempted(self, state: str, n: int = 1, after_ms: int = 150) -> DeliveryAttempted:
        stages = ("accepted", "enriched", "decided", "released", "matched")
        row = Attempted.model_validate(
            {
                "delivery_id": f"dlv_{self.story_id}",
                "endpoint_id": "end_1",
                "subscriber": "sub_1",
                "kind": "publish",
                "state": state,
                "n": n,
                "status": 200 if state == "delivered" else 503,
                "outcome": "delivered" if state == "delivered" else "refused",
                "answer": SECRET_WORDS,
            }
        )
        at = self.accepted + timedelta(milliseconds=after_ms)
        common = self._common(f"attempted {n} {state}", *stages) | {"occurred_at": at}
        return DeliveryAttempted(**common, release_no=1, data=row)

    def _common(self, what: str, *stages: str) -> dict[str, Any]:
        return {
            "event_id": f"{self.story_id} {what}",
            "story_id": self.story_id,
            "version": 1,
            "occurred_at": self.accepted,
            "producer": "test",
            "stage_times": self.times(*stages),
        }

    def _item(self, kind: Kind = Kind.PUBLISH) -> Item:
        return Item(
            lane=Lane.ROUTINE,
            kind=kind,
            story_id=self.story_id,
            version=1,
            release_no=1,
            released_at=self.accepted,
            story=ninjs(SECRET_WORDS, SECRET_WORDS),
        )


async def publish(publisher: Publisher, topic: Topic, event: Event, *, partition: int = 0) -> Appended:
    return await publisher.publish(topic, event.story_id, encode_event(event), headers_for(event), partition=partition)


@asynccontextmanager
async def running(kafka: KafkaSettings, *, ready: bool = True, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """The service, in this process, and a client of it with the operator's key; once it is `ready`, or at once."""
    told = MonitorSettings.model_validate(
        {"kafka": kafka, "operator_key": OPERATOR, "lag_every_s": 0.2, "monitor_port": 0, **settings}
    )
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as group:
        for name, job in (await jobs(told, opened, port.set_result)).items():
            group.create_task(_run(job, stop), name=name)
        headers = {"authorization": f"Bearer {OPERATOR}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{await port}", headers=headers) as client:
            try:
                if ready:
                    await wait_until(lambda: is_ready(client), WITHIN)
                yield client
            finally:
                stop.set()


async def _run(job: Job, stop: asyncio.Event) -> None:
    await job(stop)


async def is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def asked(client: httpx2.AsyncClient, path: str, **query: Any) -> Any:
    """The JSON of a 200 answer."""
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()
