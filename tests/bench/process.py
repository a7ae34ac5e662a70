"""A service under test as the process it is, and a bench that leaves none behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.services.moderation.service import is_ready
from tests.waiting import wait_until

UP_WITHIN_S = 120.0
LAST_WORDS = 2_000
"""Characters of the log that are shown when a service ends at once."""


def stop_cleanly() -> None:
    """Let SIGTERM cancel the task that runs, as Ctrl-C does: nothing that was started stays behind."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)


@asynccontextmanager
async def service(
    name: str,
    folder: Path,
    told: Mapping[str, str],
    port: int,
    under: Sequence[str] = (),
    ready: Callable[[int], Awaitable[bool]] = is_ready,
) -> AsyncIterator[int]:
    """Run a service as the process it is; yields its pid once `ready` says that it can take work on `port`.

    What it logs is written to a file, as in life. `under`: what Python is told before the service's name; the process
    then ends as it is asked to, not at once. Raises RuntimeError when it ends instead.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WIRE_")}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *under, "-m", f"services.{name}"),
            env={**environment, **told},
            stdout=output,
            stderr=output,
        )

    async def is_up() -> bool:
        if process.returncode is not None:
            raise RuntimeError(f"{name} ended while starting: {log.read_text()[-LAST_WORDS:]}")
        return await ready(port)

    try:
        await wait_until(is_up, UP_WITHIN_S, message=f"{name} is ready, its log is {log}")
        yield process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM if under else signal.SIGKILL)
        await process.wait()
