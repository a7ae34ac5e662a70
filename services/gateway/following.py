"""Which topics does the gateway hold in memory, from when on, and how are they kept up?"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from services.gateway.deliveries_view import DeliveriesView
from services.gateway.in_transit import DEAD, DECIDED, FILED, InTransit
from services.gateway.ports import Apply
from shared.platform.health import Health
from shared.platform.jobs import Job
from shared.platform.reading import Since, Tail
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic

ON_THE_WAY_SINCE = timedelta(hours=1)
"""What was filed or decided earlier is in its story's state by now, or parked."""
ATTEMPTS_SINCE = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Table:
    """Topics applied to something in memory, from their beginning or from so long ago."""

    topics: Sequence[Topic]
    apply: Apply
    ago: timedelta | None = None


def tables(
    principals: Apply, registry: Apply, transit: InTransit, deliveries: DeliveriesView, health: Apply
) -> dict[str, Table]:
    """Return every table but the desk's, which is read together with the stream's gate."""
    return {
        "principals": Table((Topic.PRINCIPAL_STATE,), principals),
        "registry": Table((Topic.SUBSCRIPTION_STATE,), registry),
        "on the way": Table((*FILED, *DECIDED), transit.apply, ON_THE_WAY_SINCE),
        "parked": Table(DEAD, transit.apply),
        "health": Table((Topic.ENDPOINT_HEALTH,), health),
        "attempts": Table((Topic.ATTEMPTS,), deliveries.apply, ATTEMPTS_SINCE),
    }


def jobs_of(
    kafka: KafkaSettings, health: Health, tables: dict[str, Table], all_loaded: Callable[[], None]
) -> dict[str, Job]:
    """Return a job for each table; `all_loaded` is called, and the process is ready, when all are loaded."""
    loading = set(tables)
    for name in tables:
        health.set(_check(name), ok=False, reason="loading")

    def loaded(name: str) -> None:
        health.set(_check(name), ok=True)
        loading.discard(name)
        if not loading:
            all_loaded()

    return {_check(name): partial(_keep, kafka, health, table, partial(loaded, name)) for name, table in tables.items()}


async def _keep(
    kafka: KafkaSettings, health: Health, table: Table, loaded: Callable[[], None], stop: asyncio.Event
) -> None:
    since: Since = "beginning" if table.ago is None else datetime.now(UTC) - table.ago
    async with Tail(kafka, table.topics, health=health) as tail:
        loading = asyncio.create_task(tail.load(table.apply, since))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not loading.done():
            loading.cancel()
            return
        loading.result()
        loaded()
        await tail.follow(table.apply, stop)


def _check(name: str) -> str:
    return f"table {name}"
