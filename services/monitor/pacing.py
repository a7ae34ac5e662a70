"""When may the next one go? Turns at a rate, kept over requests, so that two of them are not twice as fast."""

from collections.abc import Awaitable, Callable


class Pace:
    """Gives turns; whoever asks says how many per second there may be from here on."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[object]]) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._free_at = 0.0

    async def turn(self, rate: float) -> None:
        """Return when it is time; `rate` in turns per second."""
        wait = self._free_at - self._monotonic()
        if wait > 0:
            await self._sleep(wait)
        self._free_at = max(self._free_at, self._monotonic()) + 1 / rate
