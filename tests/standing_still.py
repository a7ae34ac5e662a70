"""How is a process stopped where it is, so that it surely does nothing more?"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STOPS_WITHIN_S = 5.0


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """SIGSTOP while the block lasts, then SIGCONT; the process keeps its connections.

    The block begins when the last of its threads has stopped: when `kill` returns the signal is only on its way, and
    a broker has answered one more request before it took effect. Raises ProcessLookupError for an unknown process.
    """
    os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + STOPS_WITHIN_S
        while running := [state for state in _states(pid) if state not in "TtZX"]:
            assert time.monotonic() < deadline, f"{len(running)} threads of {pid} have not stopped"
            os.sched_yield()
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _states(pid: int) -> list[str]:
    """The state of each thread (proc_pid_stat(5)), but for those that have ended meanwhile."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(thread.read_text().rpartition(")")[2].split()[0])
    return found
