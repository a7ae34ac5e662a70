"""Under the real loop: no endpoint that is not there holds back the offset of its shard, or anybody in it."""

import asyncio
from dataclasses import dataclass, field

from services.distribution.outcome import Delivered, Timing, Unreachable
from services.distribution.queues import FairQueues
from services.distribution.sending import Answer, Gate, SendRequest, always_open
from services.distribution.workers import Workers
from shared.domain.subscription import Ordering
from shared.platform.consuming import Source, follower_group
from shared.platform.topics import Topic
from tests.platform.cluster import Desk
from tests.platform.clusters import TwinCluster, offsets, start_groups
from tests.services.distribution.deliveries import block_record, endpoint, item, released, subscription
from tests.services.distribution.ledger import Bench, Wire
from tests.waiting import wait_until

GROUP = "desk"
TOPICS = (Topic.DUE_FLASH, Topic.DUE)
BLOCKS = 1_200
"""More than twice what may be open in a partition."""

TIMEOUT = 50
"""How many answers of the one that is there the time for an exchange is worth."""

EVERY, LATEST, WELL = "ep_every", "ep_latest", "ep_well"


@dataclass
class Town(Wire):
    """Where one endpoint answers, and the others let time out what is sent to them: so long as fifty answers take."""

    got: list[str] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: SendRequest, gate: Gate = always_open) -> Answer:
        if not request.url.endswith(WELL):
            begun = len(self.got)
            while len(self.got) < min(begun + TIMEOUT, BLOCKS):
                await self.moved.wait()
            return Answer(Unreachable("timeout"), Timing(total=15_000.0))
        await asyncio.sleep(0)
        self.got.append(dict(request.headers)["webhook-id"])
        self.moved.set()
        self.moved.clear()
        return Answer(Delivered(200), Timing(total=1.0))


async def test_dead_endpoints_of_either_ordering_do_not_stop_their_shard() -> None:
    """Two are dead, one is well, in every block: all blocks pass, and the one has everything."""
    queues = FairQueues(20, probation=0.5)
    workers, town, stop = Workers(queues, 20), Town(), asyncio.Event()
    bench = Bench(queues=queues, wire=town, wake=workers.wake)
    for endpoint_id in (EVERY, LATEST, WELL):
        ordering = Ordering.EVERY if endpoint_id == EVERY else Ordering.LATEST
        bench.know(endpoint(endpoint_id, f"http://127.0.0.1:9/{endpoint_id}"))
        bench.know(subscription(f"s_{endpoint_id}", endpoint_id, ordering))
    cluster = TwinCluster()
    await cluster.make_topics(dict.fromkeys(TOPICS, 1))
    await start_groups(cluster, GROUP, TOPICS, 1)
    for offset in range(BLOCKS):
        one = item(story_id=f"urn:{offset}").model_copy(update={"seq": offset})
        bench.log.lanes[one.lane, offset] = released(one)
        bench.recipients.add(one.story_id, [EVERY, LATEST, WELL])
        await cluster.publish(Topic.DUE, "0", block_record(one, EVERY, LATEST, WELL).value)
    sources = [Source(topic, 16) for topic in TOPICS]
    async with (
        asyncio.TaskGroup() as group,
        cluster.running(
            sources, group=GROUP, handle=bench.deliverer.handle, ownership=bench.deliverer, park=Desk().park
        ),
    ):
        group.create_task(workers.run(bench.dispatch, stop))
        await wait_until(lambda: len(set(town.got)) == BLOCKS, 60, message="everything at the one that is there")

        await wait_until(lambda: has_passed(cluster), 30, message="every block passed")
        stop.set()
        workers.wake()
    assert len(queues) == 0
    assert len(town.got) == BLOCKS


async def has_passed(cluster: TwinCluster) -> bool:
    """Whether the last block's offset is committed."""
    group = follower_group(GROUP, Topic.DUE)
    return await offsets(cluster, group, Topic.DUE, [0]) == {0: BLOCKS}
