"""How are the processes of one instance kept alive: started, waited for, restarted with back-off, stopped in order?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx2

from deploy.local.child import Child, ServerFailed
from deploy.local.layout import Service

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
CALM_S = 5.0  # a process that was ready for so long is not the one that cannot stay up
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 3.5  # four groups stop one after another, all within 15 s

Say = Callable[[str], None]


class Server(Protocol):
    """A broker, a Redis or one of our services."""

    @property
    def pid(self) -> int | None: ...
    async def start(self) -> None: ...
    async def ready(self, within: float = ...) -> None: ...
    async def ended(self) -> int: ...
    async def stop(self, within: float = ...) -> None: ...
    async def kill(self) -> None: ...


class ServiceProcess:
    """One of our services as a `Server`: ready when its /readyz says so, not merely when it listens."""

    def __init__(self, service: Service, logs: Path) -> None:
        self.service = service
        self._child = Child(service.name, logs / f"{service.name}.log")

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def start(self) -> None:
        self._child.start(self.service.command, self.service.environment)

    async def ready(self, within: float = READY_WITHIN_S) -> None:
        """Raises `ServerFailed` with the reasons it gives (or its last words) when it is not ready in time."""
        deadline = time.monotonic() + within
        reason = "it does not listen"
        async with httpx2.AsyncClient(timeout=2.0) as client:
            while time.monotonic() < deadline:
                if not self._child.running:
                    raise ServerFailed(f"{self.service.name} ended while starting: {self._child.last_words()}")
                try:
                    answer = await client.get(self.service.ready_url)
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if answer.status_code == 200:
                    return
                reason = answer.text[:300]
                await asyncio.sleep(0.1)
        raise ServerFailed(f"{self.service.name} is not ready after {within:.0f} s: {reason}")

    async def ended(self) -> int:
        return await self._child.ended()

    async def stop(self, within: float = STOP_WITHIN_S) -> None:
        await self._child.stop(within)

    async def kill(self) -> None:
        await self._child.kill()


@dataclass(slots=True)
class Supervisor:
    """Keeps named servers running until `stop`. `changed` is called after every start, with all pids current."""

    say: Say
    changed: Callable[[], None] = lambda: None
    calm: float = CALM_S
    patience: float = READY_WITHIN_S
    servers: dict[str, Server] = field(default_factory=dict)
    _watching: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def pids(self) -> dict[str, int]:
        """Process ids of what runs now."""
        return {name: pid for name, server in self.servers.items() if (pid := server.pid) is not None}

    async def bring_up(self, named: dict[str, Server]) -> None:
        """Start servers side by side and wait until all are ready; one that fails takes its words to the caller."""
        self.servers |= named
        await _all(self._start(name, server) for name, server in named.items())
        for name, server in named.items():
            self._watching[name] = asyncio.create_task(self._watch(name, server), name=f"watch {name}")
        self.changed()

    async def _start(self, name: str, server: Server) -> None:
        began = time.monotonic()
        await server.start()
        await server.ready()
        self.say(f"  {name:<13} ready after {time.monotonic() - began:4.1f} s   (process {server.pid})")

    async def _watch(self, name: str, server: Server) -> None:
        """Start a server again whenever it ends; the pause doubles while it does not stay up.

        So does the time it is given to become ready: on a machine that is too busy, killing it would cost more.
        """
        pause, patience = FIRST_PAUSE_S, self.patience
        while True:
            up_since = time.monotonic()
            code = await server.ended()
            if time.monotonic() - up_since > self.calm:
                pause, patience = FIRST_PAUSE_S, self.patience
            self.say(f"{name} ended ({_in_words(code)}); starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            try:
                await server.start()
                self.changed()
                await server.ready(patience)
            except ServerFailed as error:
                self.say(f"{name}: {error}")
                await server.kill()
                patience *= 2
                continue
            self.say(f"{name} is ready again (process {server.pid})")
            self.changed()

    async def take_down(self, name: str, within: float = STOP_WITHIN_S) -> None:
        """Stop one server for good, by force after `within` seconds."""
        watcher = self._watching.pop(name)
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await self.servers.pop(name).stop(within)
        self.changed()

    async def stop(self, order: Sequence[Sequence[str]]) -> None:
        """Stop everything, group after group; within a group side by side. Nothing is left running."""
        for watcher in self._watching.values():
            watcher.cancel()
        await asyncio.gather(*self._watching.values(), return_exceptions=True)
        for names in order:
            await _all(self.servers[name].stop(STOP_WITHIN_S) for name in names if name in self.servers)
        await _all(server.kill() for server in self.servers.values() if server.pid is not None)


async def _all(doing: Iterable[Awaitable[None]]) -> None:
    results = await asyncio.gather(*doing, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def _in_words(code: int) -> str:
    if code < 0:
        return f"killed by signal {-code}"
    return "as if it were asked to" if code == 0 else f"exit code {code}"
