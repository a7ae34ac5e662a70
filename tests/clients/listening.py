"""Which programs of others are here, and what does each report of what it hears?"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from deploy.local import machine
from tests.npm import Unavailable, modules

PROGRAMS = Path(__file__).with_name("programs")
EVENTSOURCE = ("eventsource", "eventsource-parser")


@dataclass(slots=True)
class Listener:
    """What one client was told, event by event, as it reports it."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def take(self, line: bytes) -> None:
        self.told.append(json.loads(line))

    def has(self, story_id: str) -> bool:
        return any(one["event"] == "story" and one["data"]["story_id"] == story_id for one in reversed(self.told))

    @property
    def connections(self) -> int:
        """How often it was greeted; a poll is not."""
        return sum(one["event"] == "hello" for one in self.told)


Command = Callable[[], tuple[Sequence[str | Path], Mapping[str, str]]]
"""The command of a program and what its environment has beside the usual. Raises Unavailable."""


def _node() -> tuple[Sequence[str | Path], Mapping[str, str]]:
    if shutil.which("node") is None:
        raise Unavailable("node is not here")
    folder = modules(*EVENTSOURCE)  # imports are looked up beside the program, not beside where it is run
    program = shutil.copy(PROGRAMS / "eventsource.mjs", folder)
    return ("node", program), {}


def _jdk() -> tuple[Sequence[str | Path], Mapping[str, str]]:
    java = machine.java()
    if "jdk.compiler" not in _java_modules(java):
        raise Unavailable("this Java is no JDK: it runs no source file")
    return (java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", PROGRAMS / "Listener.java"), {}


@cache
def _java_modules(java: Path) -> str:
    return subprocess.run([java, "--list-modules"], capture_output=True, text=True, timeout=60, check=True).stdout


def _python(name: str) -> Command:
    return lambda: ((sys.executable, "-u", PROGRAMS / name), {})


COMMANDS: Mapping[str, Command] = {
    "npm eventsource": _node,
    "httpx2": _python("over_sse.py"),
    "websockets": _python("over_websocket.py"),
    "jdk": _jdk,
    "poll": _python("over_poll.py"),
}
BROWSER = "chromium"
ALL = (BROWSER, *COMMANDS)


@asynccontextmanager
async def running(name: str, gateway: str, key: str, asked: str) -> AsyncIterator[Listener]:
    """Run a program while the block lasts. Raises Unavailable where it cannot be run."""
    command, more = COMMANDS[name]()
    told = {"GATEWAY": gateway, "KEY": key, "FILTER": asked}
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **more, **told}, stdout=asyncio.subprocess.PIPE, limit=2**20
    )
    listener = Listener()
    reading = asyncio.create_task(_read(process, listener))
    try:
        yield listener
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def _read(process: asyncio.subprocess.Process, listener: Listener) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        if line.endswith(b"\n"):  # killed in the middle of a line, it reported nothing
            listener.take(line)
