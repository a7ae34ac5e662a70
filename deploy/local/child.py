"""How is one server process of ours started, watched and ended?"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOOK_EVERY_S = 0.02
_LAST_WORDS_BYTES = 2_000


class ServerFailed(Exception):
    """A server did not come up or ended by itself; the message carries the end of its output."""


class Child:
    """One server process, in a session of its own so that Ctrl-C at the terminal reaches only us.

    Not bound to an event loop: it may be started in one and stopped from another.
    """

    def __init__(self, name: str, output: Path) -> None:
        self.name = name
        self.output = output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the process runs, else None."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start the process, its output appended to a file; raises `ServerFailed` if it runs already or cannot."""
        if self.running:
            raise ServerFailed(f"{self.name} is already running as process {self.pid}")
        self.output.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.output.open("ab") as output:
                self._process = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=None if environment is None else dict(environment),
                )
        except OSError as error:
            raise ServerFailed(f"{self.name} cannot be started: {error}") from error

    async def ended(self) -> int:
        """Wait until the process has ended; return its exit code, minus the signal's number if a signal ended it."""
        if self._process is None:
            raise ServerFailed(f"{self.name} was never started")
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - an Event would bind us to one loop
            await asyncio.sleep(_LOOK_EVERY_S)
        return code

    async def stop(self, within: float) -> None:
        """Ask the process to end (SIGTERM), and kill it if it has not after `within` seconds. May be repeated."""
        await self._end(signal.SIGTERM, within)

    async def kill(self) -> None:
        """End the process at once (SIGKILL) and wait until it is gone. May be repeated."""
        await self._end(signal.SIGKILL, within=10.0)

    async def _end(self, how: signal.Signals, within: float) -> None:
        if self._process is None:
            return
        deadline = time.monotonic() + within
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._process.kill()
                deadline = float("inf")
            await asyncio.sleep(_LOOK_EVERY_S)

    def last_words(self) -> str:
        """Return the end of the process's output, for an error message."""
        if not self.output.is_file():
            return ""
        with self.output.open("rb") as output:
            output.seek(max(0, self.output.stat().st_size - _LAST_WORDS_BYTES))
            return output.read().decode(errors="replace").strip()
