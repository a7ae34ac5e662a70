"""What is shown, and by which rules? The ring, the gate, and the name of the log's present life."""

from dataclasses import dataclass

from services.gateway.stream import frames
from services.gateway.stream.admission import Start
from services.gateway.stream.clients import Client
from services.gateway.stream.gate import Gate
from services.gateway.stream.ports import GapReason
from services.gateway.stream.positions import Position, id_of
from services.gateway.stream.ring import Ring
from shared.platform.metrics import STREAM_GAPS


@dataclass(frozen=True, slots=True)
class Wire:
    """Where a client begins, and what it is told when something is missing."""

    ring: Ring
    gate: Gate
    epoch: str

    def greet(self, client: Client, start: Start, begun: Position, reason: GapReason | None, retry_ms: int) -> None:
        """Write the hello, and in the same breath the gap between what was asked for and where it begins."""
        at, dialect = id_of(self.epoch, begun), client.group.dialect
        data = frames.hello(dialect, at, start.requested, retry_ms)
        dialect.count("hello")
        if reason is not None:
            data += self.gap(client, start.requested or at, at, reason)
        client.position = begun
        client.greeted = True
        client.write(data)

    def gap(self, client: Client, since: str, to: str, reason: GapReason) -> bytes:
        """The gap for this client, counted."""
        client.gaps += 1
        STREAM_GAPS.labels(reason).inc()
        client.group.dialect.count("gap")
        return frames.gap(client.group.dialect, since, to, reason)
