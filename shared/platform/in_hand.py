"""What is being done at this moment, how is it waited for, and how is it let go of?"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from shared.platform.handling import Completion

LET_GO_WITHIN_S = 1.0  # a handler that does not heed its cancellation is left to itself

T = TypeVar("T")


class LetGo(Exception):
    """The work was cancelled by `interrupt`; whoever does it lives on."""


class InHand:
    """The one piece of work that its owner, a task, awaits itself; and the promises it was given for the rest."""

    def __init__(self) -> None:
        self._owner: asyncio.Task[object] | None = None  # while it works
        self._interrupted = False
        self._promised: set[Completion] = set()
        self._changed = asyncio.Event()

    async def doing(self, work: Awaitable[T]) -> T:
        """Await work of the current task. Raises LetGo when it was interrupted, and what the work raises."""
        self._owner = asyncio.current_task()
        try:
            done = await work
        except asyncio.CancelledError:
            if not self._was_interrupted():
                raise
            raise LetGo from None
        else:
            self._was_interrupted()  # which the work has not heeded
            return done
        finally:
            self._owner = None
            self._changed.set()

    def interrupt(self) -> None:
        """Cancel the work in hand, if there is any; not from within itself, where it would hit what comes behind."""
        if self._owner is None or self._owner is asyncio.current_task() or self._interrupted:
            return
        self._interrupted = True
        self._owner.cancel()

    def promised(self, completion: Completion) -> None:
        """Something else is done for it, or will be."""
        self._promised.add(completion)

    def kept(self, completion: Completion) -> None:
        """Nothing is left to do for it."""
        self._promised.discard(completion)
        self._changed.set()

    def changed(self) -> None:
        """Look again whether there is anything to wait for."""
        self._changed.set()

    async def drained(self, within: float, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Wait until nothing is being done, or for so many seconds; `meanwhile` is called whenever that changes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._owner is not None or not all(map(_rests, self._promised)):
                    self._changed.clear()
                    await meanwhile()
                    await self._changed.wait()

    async def let_go(self) -> None:
        """Interrupt the work in hand and wait a moment until it has ended: it would go on for somebody else."""
        self.interrupt()
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN_S):
                while self._owner is not None:
                    self._changed.clear()
                    await self._changed.wait()

    def forget(self) -> None:
        """What was promised for partitions that are gone is waited for no more."""
        self._promised = set()

    def _was_interrupted(self) -> bool:
        """Whether a cancellation that has just been met was `interrupt`'s and nobody else's; it is over then."""
        if not self._interrupted or self._owner is None:
            return False
        self._interrupted = False
        return self._owner.uncancel() == 0


def _rests(completion: Completion) -> bool:
    return completion.at_rest and not completion.done()
