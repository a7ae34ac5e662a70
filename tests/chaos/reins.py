"""How is one process held: kept from starting, told something else at each start, and its lives written down?"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.supervisor import READY_WITHIN_S, STOP_WITHIN_S, Server


@dataclass(slots=True)
class Life:
    """One process from its start to its end; times in epoch seconds, `code` minus the signal that ended it."""

    name: str
    pid: int
    started: float
    ready: float | None = None
    ended: float | None = None
    code: int | None = None


class Reined:
    """A server that starts only while it may, as it is told at that moment, and whose lives are noted."""

    def __init__(self, name: str, server: Server, lives: list[Life]) -> None:
        self.name = name
        self.server = server
        self.before_start: Callable[[], None] = lambda: None
        self._lives = lives
        self._life: Life | None = None
        self._may_start = asyncio.Event()
        self._may_start.set()

    @property
    def pid(self) -> int | None:
        return self.server.pid

    def hold(self) -> None:
        """From now on whoever starts it waits for `let_go`."""
        self._may_start.clear()

    def let_go(self) -> None:
        self._may_start.set()

    async def start(self) -> None:
        await self._may_start.wait()
        self.before_start()
        await self.server.start()
        if (pid := self.server.pid) is not None:
            self._life = Life(self.name, pid, time.time())
            self._lives.append(self._life)

    async def ready(self, within: float = READY_WITHIN_S) -> None:
        life = self._life
        await self.server.ready(within)
        if life is not None:
            life.ready = time.time()

    async def ended(self) -> int:
        life, code = self._life, await self.server.ended()
        if life is not None:
            life.ended, life.code = time.time(), code
        return code

    async def stop(self, within: float = STOP_WITHIN_S) -> None:
        await self.server.stop(within)

    async def kill(self) -> None:
        await self.server.kill()
