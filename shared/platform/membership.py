"""Does this process still own what it was given? How fresh its last heartbeat is."""

import math
import time
from collections.abc import Callable

from shared.platform.consumers import Consumer

SESSION_TIMEOUT_S = 10.0


class Expelled(Exception):
    """The group does not know this member any more; whatever it owned, somebody else may own by now."""


class Membership:
    """A group membership as a handler may ask about it: produce nothing unless `alive()`.

    A process that was paused wakes up believing that it owns its partitions; its last heartbeat tells the truth
    well before the session ends and somebody else takes over.
    """

    def __init__(
        self, session_timeout: float = SESSION_TIMEOUT_S, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.session_timeout = session_timeout
        self._monotonic = monotonic
        self._beaten_at = -math.inf
        self._listeners: list[Callable[[], None]] = []

    def last_heartbeat_age(self) -> float:
        """Seconds since a heartbeat was sent that the group's coordinator accepted; infinite before the first."""
        return self._monotonic() - self._beaten_at

    def alive(self) -> bool:
        """Whether that is less than half the session timeout ago."""
        return self.last_heartbeat_age() < self.session_timeout / 2

    def trouble(self) -> str:
        """What is wrong, in words, once the group has had time to give our partitions away; empty if nothing is.

        Before the first heartbeat nothing is known.
        """
        age = self.last_heartbeat_age()
        if age <= self.session_timeout or math.isinf(age):
            return ""
        return f"the group has accepted no heartbeat for {age:.0f} s"

    def beat(self, at: float | None = None) -> None:
        """A heartbeat sent at that time (monotonic seconds, default now) was accepted."""
        was_alive = self.alive()
        self._beaten_at = self._monotonic() if at is None else at
        if not was_alive:
            for listener in self._listeners:
                listener()

    def on_revival(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever `alive()` may have become true."""
        self._listeners.append(listener)

    def listen_to(self, consumer: Consumer, expelled: Callable[[], None]) -> None:
        """Count the heartbeats of a started consumer, and call `expelled` when its group knows it no more."""

        def gone() -> None:
            self._beaten_at = -math.inf
            expelled()

        consumer.watch(self._monotonic, self.beat, gone)
