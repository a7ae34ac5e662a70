"""What is known of the POST that this task has in hand, and when did each step of it happen?"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter

from services.distribution.outcome import Timing
from services.distribution.sending import Gate
from shared.platform.egress import UrlRefused


@dataclass(slots=True)
class Exchange:
    """One POST on one connection; resolver, socket guard, TLS context and protocol note here what they see.

    All `_at` are `perf_counter` seconds; None where the step was not reached or not needed.
    """

    host: str
    port: int
    gate: Gate
    began_at: float = field(default_factory=perf_counter)
    lookup_at: float | None = None
    resolved_at: float | None = None
    handshake_at: float | None = None
    connected_at: float | None = None
    answered_at: float | None = None
    reused: bool = False
    received: int = 0
    head_read: bool = False
    settled: bool = False
    over: bool = False
    refused: UrlRefused | None = None

    def connected(self, *, reused: bool) -> None:
        self.connected_at = perf_counter()
        self.reused = reused

    def heard(self, size: int) -> None:
        if self.answered_at is None:
            self.answered_at = perf_counter()
        self.received += size

    def answered_whole(self) -> None:
        """The answer's body has come to its announced end."""
        self.settled = self.over = True

    def finish(self, *, cut_off: bool) -> None:
        """Expect nothing more on this connection; `cut_off` if something was still on its way, out or in."""
        self.over = True
        if cut_off:
            self.settled = False

    @property
    def died_unanswered(self) -> bool:
        """A kept connection took the request and gave nothing back: its peer had closed it meanwhile."""
        return self.reused and self.received == 0

    def timing(self, since: float) -> Timing:
        """Return the split of this exchange, with the total counted from `since`."""
        made = not self.reused
        return Timing(
            total=_ms(since, perf_counter()),
            dns=_span(self.lookup_at, self.resolved_at),
            connect=_span(self.resolved_at or self.began_at, self.handshake_at or self.connected_at) if made else None,
            tls=_span(self.handshake_at, self.connected_at),
            first_byte=_span(self.connected_at, self.answered_at),
        )


current: ContextVar[Exchange] = ContextVar("exchange in hand")


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else _ms(start, end)


def _ms(start: float, end: float) -> float:
    return round((end - start) * 1000, 3)
