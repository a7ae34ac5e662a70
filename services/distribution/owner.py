"""What does the owner of some endpoint shards consist of, and what does it run?"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from services.distribution.attempts import Tried
from services.distribution.catching_up import CatchingUp
from services.distribution.conditions import Conditions
from services.distribution.deliverer import Deliverer
from services.distribution.deliveries import Delivery
from services.distribution.dispatch import Dispatch
from services.distribution.in_turn import InTurn
from services.distribution.journal import Journal
from services.distribution.matching import ShardOf
from services.distribution.overdue import Overdue
from services.distribution.pace import Pace
from services.distribution.ports import AttemptLog, Clock, Publishing, ReleasedLog
from services.distribution.queues import FairQueues
from services.distribution.replaying import Replaying
from services.distribution.sending import Sender
from services.distribution.settings import DistributionSettings
from services.distribution.tables import Tables
from services.distribution.telling import Telling
from services.distribution.tending import Tending
from services.distribution.tenure import Tenure
from services.distribution.throttle import Throttle, of_subscribers
from services.distribution.waiting import Waiting
from services.distribution.workers import Workers
from shared.platform.audit import Audit
from shared.platform.grouping import Grouped
from shared.platform.jobs import Job
from shared.platform.rates import Grants, OwnGrants


@dataclass(frozen=True, slots=True)
class Means:
    """What it stands on. `past` reads single releases, `missed` many of them for endpoints that catch up."""

    tables: Tables
    publisher: Publishing
    past: ReleasedLog
    missed: ReleasedLog
    attempts: AttemptLog
    sender: Sender
    grants: Grants
    shard_of: ShardOf
    clock: Clock
    audit: Audit
    alive: Callable[[], bool]
    caught_up: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Owner:
    """The deliverer with all that works off what it takes in."""

    deliverer: Deliverer
    dispatch: Dispatch
    workers: Workers
    waiting: Waiting
    catching_up: CatchingUp
    replaying: Replaying
    throttle: Throttle
    telling: Telling

    def jobs(self) -> dict[str, Job]:
        """What is to run beside the consumer that calls the deliverer."""
        return {
            "senders": partial(self.workers.run, self.dispatch),
            "waiting": self.waiting.run,
            "catching-up": self.catching_up.run,
            "replays": self.replaying.run,
            "throttle": self.throttle.run,
            "owners": self.telling.run,
        }


def owner_with(on: Means, settings: DistributionSettings) -> Owner:
    """Put it together; nothing runs yet."""
    registry, standings, clock = on.tables.registry, on.tables.standings, on.clock
    tried, waiting, tenure = Tried(), Waiting(clock), Tenure(on.alive)
    throttle = Throttle(on.grants, OwnGrants(time.monotonic, of_subscribers(lambda: tenure.owned / on.shard_of.shards)))

    def back_after(seconds: float, endpoint_id: str) -> None:
        asyncio.get_running_loop().call_later(seconds, back, endpoint_id)

    def back(endpoint_id: str) -> None:
        queues.go_on(endpoint_id)
        workers.wake()

    pace = Pace(registry, throttle, settings.subscriber_rate)
    queues = FairQueues(settings.send_slots, pace=pace, later=back_after, unspent=pace.unspent)
    workers = Workers(queues, settings.send_slots)

    def queue(delivery: Delivery) -> None:
        queues.add(delivery)
        workers.wake()

    in_turn = InTurn(on.tables.held, registry, standings, on.publisher, on.past, on.shard_of, queue, tenure, clock)
    journal = Journal(Grouped(on.publisher), clock, tried)
    conditions = Conditions(on.tables.health, registry, on.publisher, queues, on.shard_of, clock, tenure)
    catching_up = CatchingUp(
        conditions,
        on.missed,
        on.tables.recipients,
        tried,
        in_turn,
        queues,
        clock,
        tenure,
        Tending(conditions, on.missed, in_turn, journal, clock),
        workers.wake,
        on.caught_up,
        settings.catch_up_per_s,
    )
    replaying = Replaying(
        on.tables.replays,
        conditions,
        on.missed,
        on.attempts,
        on.tables.recipients,
        tried,
        queues,
        on.publisher,
        clock,
        tenure,
        workers.wake,
        on.caught_up,
        settings.replay_per_s,
    )
    conditions.changed = catching_up.look
    telling = Telling(conditions, on.publisher, on.audit, clock)
    registry.watchers += [lambda _: catching_up.look(), telling.noticed]
    deliverer = Deliverer(
        standings,
        journal,
        on.attempts,
        clock,
        on.shard_of,
        queues,
        waiting,
        workers.wake,
        tried,
        in_turn,
        conditions,
        on.missed,
        Overdue(clock, waiting, tenure, in_turn, conditions, journal),
        tenure,
        on.caught_up,
    )
    dispatch = Dispatch(registry, standings, on.sender, journal, tried, clock, in_turn, conditions, tenure)
    return Owner(deliverer, dispatch, workers, waiting, catching_up, replaying, throttle, telling)
