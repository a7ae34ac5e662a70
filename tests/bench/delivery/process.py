"""The service under test as the process it is, and a bench that leaves none behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.ports import free_port
from tests.services.moderation.service import is_ready
from tests.waiting import wait_until

UP_WITHIN_S = 120.0


def stop_cleanly() -> None:
    """Let SIGTERM cancel the task that runs, as Ctrl-C does: nothing that was started stays behind."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)


@asynccontextmanager
async def distribution(folder: Path, told: dict[str, str], under: Sequence[str]) -> AsyncIterator[int]:
    """Run the service as the process it is until it can take work; what it logs is written to a file, as in life."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WIRE_")} | told
    log = folder / "distribution.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *under, "-m", "services.distribution"),
            env={**environment, "WIRE_OPS_PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    try:
        await wait_until(lambda: is_ready(port), UP_WITHIN_S, message=f"distribution is ready, its log is {log}")
        yield process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM if under else signal.SIGKILL)
        await process.wait()
