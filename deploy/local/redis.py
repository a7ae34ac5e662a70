"""How does one real Redis run on this machine, holding nothing that may not be lost?"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local import machine
from deploy.local.child import Child, ServerFailed
from deploy.local.ports import LOOPBACK, choose_port, free_port

_MAXMEMORY = "256mb"


class LocalRedis:
    """One redis-server on loopback; it keeps no file, so it comes back empty from every restart.

    That is on purpose: what is in Redis may vanish at any moment, and the local wire shows that it may.
    Not bound to an event loop: it may be started in one and stopped from another.
    """

    def __init__(self, data: Path, port: int | None = None) -> None:
        """Prepare a server on `port` if it is free, else on another; None takes any. Touches nothing yet."""
        self.data = data.resolve()
        self.port = free_port() if port is None else choose_port(port)
        self._child = Child("redis", self.data / "redis.out")

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        return self._child.pid

    @property
    def log_file(self) -> Path:
        """What the server prints."""
        return self._child.output

    async def start(self) -> None:
        """Start the server; it can take work after `ready`. Raises `Missing` without the binary, `ServerFailed`."""
        binary = machine.redis_server()
        self.data.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.data),
            "save": "",
            "appendonly": "no",
            "maxmemory": _MAXMEMORY,
            "maxmemory-policy": "noeviction",  # a full Redis is an error we see, not hints that silently vanish
            "daemonize": "no",
        }
        self._child.start([binary, *(word for key, value in settings.items() for word in (f"--{key}", value))])

    async def ready(self, within: float = 10.0) -> None:
        """Wait until this server, no other on its port, answers.

        Raises `ServerFailed` if it ends first or does not answer within `within` seconds.
        """
        deadline = time.monotonic() + within
        while self.pid is None or await _process_answering(self.url) != self.pid:
            if not self._child.running:
                raise ServerFailed(f"redis ended while starting: {self._child.last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"redis does not answer after {within:.0f} s: {self._child.last_words()}")
            await asyncio.sleep(0.02)

    async def ended(self) -> int:
        """Wait until the server's process has ended, for whatever reason; return its exit code."""
        return await self._child.ended()

    async def stop(self, within: float = 5.0) -> None:
        """Stop the server, by force after `within` seconds. May be repeated."""
        await self._child.stop(within)

    async def kill(self) -> None:
        """Kill the server at once, as a crash would. May be repeated."""
        await self._child.kill()

    async def __aenter__(self) -> Self:
        """Start the server and wait until it answers."""
        try:
            await self.start()
            await self.ready()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def _process_answering(url: str) -> int | None:
    """Return the process id of the Redis that answers at `url`; None if none does, or it still loads."""
    client = Redis.from_url(url, socket_timeout=2.0)
    try:
        return int((await client.info("server"))["process_id"])
    except (RedisError, OSError):
        return None
    finally:
        await client.aclose()
