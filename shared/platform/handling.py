"""What does a service owe the loop: how it handles a record, how it parks one, what it is told of ownership?"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from shared.domain.errors import Unprocessable
from shared.platform.records import Record


class Completion:
    """The promise that a record's effects will be confirmed later; its offset passes when it is complete.

    Completed once: whatever is said after the first `complete` or `fail` is ignored. Single-threaded.

    `at_rest`: set by whoever holds it while nothing is being done for it; nobody waits for it then when the
    partition goes, since its record is handed over to the next owner.
    """

    __slots__ = ("_callbacks", "_done", "_error", "at_rest")

    def __init__(self) -> None:
        self.at_rest = False
        self._callbacks: list[Callable[[Completion], None]] = []
        self._done = False
        self._error: BaseException | None = None

    def done(self) -> bool:
        return self._done

    def exception(self) -> BaseException | None:
        """Why it failed; None while it is open and when it succeeded."""
        return self._error

    def complete(self) -> None:
        """All effects of the record are confirmed, or durably somewhere else."""
        self._settle(None)

    def fail(self, error: BaseException) -> None:
        """They cannot be: `Unprocessable` parks the record, anything else ends the loop."""
        self._settle(error)

    def add_done_callback(self, callback: Callable[["Completion"], None]) -> None:
        """Call back when settled, at once if it is already."""
        if self._done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _settle(self, error: BaseException | None) -> None:
        if self._done:
            return
        self._done, self._error = True, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)


Handler = Callable[[Record], Awaitable[Completion | None]]
"""Returns None when every effect of the record is confirmed, or a Completion that says so later. May be called again
with the same record after a crash, a rebalance or a failed commit."""

Park = Callable[[Record, Unprocessable], Awaitable[object]]
"""Puts a record on a dead-letter topic and returns when that is confirmed."""


class Ownership(Protocol):
    """Told which partitions (numbers, of every source alike) this process owns."""

    async def gained(self, partitions: frozenset[int]) -> None:
        """Get ready for them; nothing is handled before this returns. Cancelled when they go meanwhile."""

    async def lost(self, partitions: frozenset[int]) -> None:
        """Let go of them. What is completed in here is still committed."""
