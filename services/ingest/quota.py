"""May this flash ride the flash lane? A quota per source, so that one source cannot fill it."""

import time
from collections import deque
from collections.abc import Callable

from shared.domain.story import Lane, lane_of

MINUTE_S = 60.0


class FlashQuota:
    """Counts a source's flashes over the last minute; beyond the quota they ride routine, their urgency unchanged."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._taken: dict[str, deque[float]] = {}

    def lane_for(self, source: str, urgency: int) -> Lane:
        """Return the lane, counting a flash that is let through."""
        if lane_of(urgency) is Lane.ROUTINE:
            return Lane.ROUTINE
        now = self._monotonic()
        taken = self._taken.setdefault(source, deque())
        while taken and taken[0] <= now - MINUTE_S:
            taken.popleft()
        if len(taken) >= self._per_minute:
            return Lane.ROUTINE
        taken.append(now)
        return Lane.FLASH
