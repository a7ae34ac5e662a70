"""What is known of the POST that this task has in hand, and when did each step of it happen?"""

from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

from services.distribution.adapters.steps import Steps
from services.distribution.sending import Gate
from shared.platform.egress import UrlRefused


@dataclass(slots=True, kw_only=True)
class Exchange(Steps):
    """One POST on one connection; resolver, socket guard, TLS context and protocol note here what they see."""

    host: str
    port: int
    gate: Gate
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


current: ContextVar[Exchange] = ContextVar("exchange in hand")
