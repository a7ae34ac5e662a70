"""The receiving process as the bench has it: started, counted, asked for what came, stopped."""

import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import free_port
from tests.bench.obeying import Obeying, obeying

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

    def __init__(self, process: Obeying, port: int, scheme: str, folder: Path) -> None:
        self.port = port
        self._process = process
        self._scheme = scheme
        self._dump = folder / "arrived"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def arrived(self) -> int:
        return self._process.counts[0]

    @property
    def swallowed(self) -> int:
        return self._process.counts[1]

    def url(self, host: str, behaviour: str, number: int) -> str:
        return f"{self._scheme}://{host}:{self.port}/{behaviour}/{number}"

    async def written_out(self) -> Arrived:
        """Take what came since the last call."""
        answer = await self._process.ask(f"write {self._dump}", WRITTEN_WITHIN_S)
        sampled, unverified = map(int, answer.split())
        return Arrived(list(_read(self._dump)), sampled, unverified)


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
    async with obeying(command, {**os.environ, "BENCH_SECRET": secret}) as process:
        yield Receivers(process, port, "https" if chain else "http", folder)
