"""Who listens now, and how far behind is each? What operators are shown of this process's stream clients."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from services.gateway.stream.clients import Client
from services.gateway.stream.dialects import Channel
from services.gateway.stream.hub import StreamHub


@dataclass(frozen=True, slots=True)
class Row:
    """One client. `age_s`: for how long it has been behind, 0 for one that is up to date."""

    number: int
    channel: Channel
    subscriber: str
    key_id: str
    name: str
    since: datetime
    queue_bytes: int
    age_s: float
    position: str
    acknowledged: str | None
    skipped: int
    gaps: int


def rows(hub: StreamHub, after: int, limit: int) -> Sequence[Row]:
    """Return the clients that came behind number `after`, in the order in which they came."""
    found = islice((client for client in hub.clients() if client.number > after), limit)
    return [_row(hub, client) for client in found]


def _row(hub: StreamHub, client: Client) -> Row:
    return Row(
        number=client.number,
        channel=client.group.dialect.channel,
        subscriber=client.subscriber,
        key_id=client.key,
        name=client.name,
        since=datetime.fromtimestamp(client.since, UTC),
        queue_bytes=client.queued(),
        age_s=0.0 if client.position is None else round(time.monotonic() - client.behind_since, 3),
        position=hub.cursor_of(client),
        acknowledged=client.acked,
        skipped=client.skipped,
        gaps=client.gaps,
    )
