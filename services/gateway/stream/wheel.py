"""Whose turn is it? Many recurring moments of many things, on one timer."""

import asyncio
import random
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_SLOTS: Final = 32
_MEAN: Final = 16  # ticks between two turns of one thing, on average
_SPREAD: Final = 4  # ticks earlier or later


class Wheel(Generic[T]):
    """Calls `turn(thing)` again and again, 0.75 to 1.25 times `mean_s` apart, for everything on it."""

    def __init__(self, mean_s: float, turn: Callable[[T], None], tick: Callable[[], None]) -> None:
        """`tick` is called before the turns of each of the wheel's steps, `mean_s` / 16 apart."""
        self._step_s = mean_s / _MEAN
        self._turn = turn
        self._tick = tick
        self._slots: list[set[T]] = [set() for _ in range(_SLOTS)]
        self._slot_of: dict[T, int] = {}
        self._now = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, thing: T) -> None:
        """Put something on the wheel, or put off its turn by a full round."""
        self.discard(thing)
        slot = (self._now + random.randint(_MEAN - _SPREAD, _MEAN + _SPREAD)) % _SLOTS
        self._slots[slot].add(thing)
        self._slot_of[thing] = slot

    def discard(self, thing: T) -> None:
        """Take it off, if it is on."""
        slot = self._slot_of.pop(thing, None)
        if slot is not None:
            self._slots[slot].discard(thing)

    def start(self) -> None:
        """Begin to turn, on the running loop."""
        self._timer = asyncio.get_running_loop().call_later(self._step_s, self._step)

    def stop(self) -> None:
        """Turn no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self) -> None:
        self.start()
        self._now = (self._now + 1) % _SLOTS
        self._tick()
        for thing in tuple(self._slots[self._now]):
            self.add(thing)
            self._turn(thing)
