"""When did each step of one POST happen?"""

from dataclasses import dataclass, field
from time import perf_counter

from services.distribution.outcome import Timing


@dataclass(slots=True)
class Steps:
    """All `_at` are `perf_counter` seconds; None where the step was not reached or not needed."""

    began_at: float = field(default_factory=perf_counter)
    lookup_at: float | None = None
    resolved_at: float | None = None
    handshake_at: float | None = None
    connected_at: float | None = None
    answered_at: float | None = None
    reused: bool = False

    def timing(self, since: float) -> Timing:
        """Return the split of this exchange, with the total counted from `since`."""
        made = not self.reused
        return Timing(
            total=milliseconds(since, perf_counter()),
            dns=_span(self.lookup_at, self.resolved_at),
            connect=_span(self.resolved_at or self.began_at, self.handshake_at or self.connected_at) if made else None,
            tls=_span(self.handshake_at, self.connected_at),
            first_byte=_span(self.connected_at, self.answered_at),
        )


def milliseconds(start: float, end: float) -> float:
    """Return a span of `perf_counter` seconds in milliseconds, to the microsecond."""
    return round((end - start) * 1_000_000) / 1000


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else milliseconds(start, end)
