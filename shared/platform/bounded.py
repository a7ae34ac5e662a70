"""How is something waited for that may not heed its cancellation?"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

LET_GO_WITHIN_S: Final = 1.0
"""For what is closed without waiting for an answer any more."""


async def ended_within(seconds: float, work: Coroutine[Any, Any, object]) -> bool:
    """Run `work` for at most so many seconds and tell whether it came to its end; its error is raised.

    `asyncio.timeout` cancels once, and `asyncio.wait_for` (Python 3.11) as well as aiokafka's closing can swallow that:
    whoever waits under it then waits for ever. Here the work is a task of its own, left to itself once cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if not task.done() or task.cancelled():
        return False
    task.result()
    return True


def _forget(task: "asyncio.Task[object]") -> None:
    """Nobody waits for its error any more."""
    if not task.cancelled():
        task.exception()
