"""What ends the processes of a wire whose tester was killed? `python -m tests.chaos.guardian DATA`, on a pipe."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local import instance
from deploy.local.layout import PROJECT
from tests.chaos.disk import unmount


def end_what_is_left(data: Path) -> list[str]:
    """Kill every process that `run.json` still names and that leads a session, as all of ours do; returns the names.

    The broker's small disk goes with it.
    """
    left = instance.read(data)
    ended = []
    for name, pid in (left.pids if left else {}).items():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == pid:
                os.kill(pid, signal.SIGKILL)
                ended.append(name)
    instance.forget(data)
    unmount(data / "kafka" / "records")
    return ended


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM cancels the current task while the block lasts."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


@contextmanager
def guarded(data: Path) -> Iterator[None]:
    """A process beside us ends what is left in `data` if we are killed: then the pipe it reads from closes."""
    guardian = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.guardian", str(data)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        assert guardian.stdin is not None
        guardian.stdin.close()
        guardian.wait(30)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_what_is_left(Path(sys.argv[1]))
