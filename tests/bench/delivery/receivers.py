"""The receiving process as the bench has it: started, counted, asked for what came, stopped."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import free_port

UP_WITHIN_S = 20.0
WRITTEN_WITHIN_S = 120.0
HOSTS = 100


def loopback(count: int) -> list[str]:
    """`count` distinct loopback addresses, a hundred to a network: 127.0.1.1 to 127.0.1.100, 127.0.2.1 and so on."""
    return [f"127.0.{1 + number // HOSTS}.{1 + number % HOSTS}" for number in range(count)]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came since the last look: (webhook-id, epoch µs), and a sample judged by `standardwebhooks`."""

    deliveries: list[tuple[str, int]]
    sampled: int
    unverified: int


class Receivers:
    """`arrived` and `swallowed` follow the process's counts within a few milliseconds."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, scheme: str, folder: Path) -> None:
        self.arrived = 0
        self.swallowed = 0
        self.port = port
        self._process = process
        self._scheme = scheme
        self._dump = folder / "arrived"
        self._answers: asyncio.Queue[list[str]] = asyncio.Queue()

    @property
    def pid(self) -> int:
        return self._process.pid

    def url(self, host: str, behaviour: str, number: int) -> str:
        return f"{self._scheme}://{host}:{self.port}/{behaviour}/{number}"

    async def written_out(self) -> Arrived:
        """Take what came since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"write {self._dump}\n".encode())
        async with asyncio.timeout(WRITTEN_WITHIN_S):
            sampled, unverified = map(int, await self._answers.get())
        return Arrived(list(_read(self._dump)), sampled, unverified)

    async def follow(self) -> None:
        """Read what the process says until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            kind, *values = line.decode().split()
            if kind == "count":
                self.arrived, self.swallowed = map(int, values)
            else:
                self._answers.put_nowait(values)

    async def listening(self) -> None:
        async with asyncio.timeout(UP_WITHIN_S):
            await self._answers.get()


def _read(dump: Path) -> Iterator[tuple[str, int]]:
    with dump.open(encoding="ascii") as lines:
        for line in lines:
            at, _, known = line.rstrip("\n").partition(" ")
            yield known, int(at)


@asynccontextmanager
async def receivers(
    folder: Path, hosts: Sequence[str], secret: str, chain: Path | None = None
) -> AsyncIterator[Receivers]:
    """Run the receiving process while the block lasts; with `chain` (a PEM file) it speaks TLS 1.3."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.delivery.receiver", "--hosts", ",".join(hosts), "--port", str(port)]
    if chain is not None:
        command += ["--chain", str(chain)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "BENCH_SECRET": secret},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    receiving = Receivers(process, port, "https" if chain else "http", folder)
    following = asyncio.create_task(receiving.follow())
    try:
        await receiving.listening()
        yield receiving
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await following
