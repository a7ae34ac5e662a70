"""The load client's process as the bench has it: connections are opened, counted, looked at and closed."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.gateway.reading import Came
from tests.bench.obeying import Obeying, obeying

OPEN_WITHIN_S = 120.0
TOLD_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Opening:
    """How opening a group went: refusals by status (0: no answer), when it began (epoch µs), how long it took."""

    refused: dict[str, int]
    began_us: int
    took_us: int


@dataclass(frozen=True, slots=True)
class Told:
    """What came to a group since the last look: how many to each client, the sample's stories, its gaps and last id.

    `last_us`: when the newest story of any group came (epoch µs).
    """

    counts: list[int]
    came: list[Came]
    gaps: int
    last_id: str
    last_us: int


class LoadClient:
    """`arrived` and `ended` follow the process's counts within a few milliseconds."""

    def __init__(self, process: Obeying, folder: Path) -> None:
        self._process = process
        self._folder = folder

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def arrived(self) -> int:
        """Stories that have come to anybody, ever."""
        return self._process.counts[0]

    @property
    def ended(self) -> int:
        """Connections that the server ended, ever."""
        return self._process.counts[1]

    async def open(
        self,
        group: str,
        address: tuple[str, int],
        heads: Sequence[str],
        *,
        sample: int,
        chain: Path | None = None,
        receive_buffer: int = 0,
    ) -> Opening:
        """Open one connection for each head; every story of `sample` of them is looked at."""
        path = self._folder / "heads"
        path.write_text(json.dumps(list(heads)))
        host, port = address
        sizes: dict[str, str | int] = {"sample": sample, "receive_buffer": receive_buffer, "chain": str(chain or "")}
        answer = await self._order("open", group, OPEN_WITHIN_S, host=host, port=port, heads=str(path), **sizes)
        return Opening(**json.loads(answer))

    async def told(self, group: str) -> Told:
        """Take what came since the last call."""
        path = self._folder / "told"
        answer = json.loads(await self._order("told", group, TOLD_WITHIN_S, into=str(path)))
        with path.open(encoding="ascii") as lines:
            counts = json.loads(next(lines))
            came = [Came(*map(int, line.split())) for line in lines]
        return Told(counts, came, **answer)

    async def close(self, group: str) -> None:
        """Close what is still open of a group."""
        await self._order("close", group, OPEN_WITHIN_S)

    async def stop_reading(self, group: str) -> None:
        """Leave all that comes unread from now on."""
        await self._order("stop_reading", group, OPEN_WITHIN_S)

    async def _order(self, do: str, group: str, within: float, **more: str | int) -> str:
        return await self._process.ask(json.dumps({"do": do, "group": group, **more}), within)


@asynccontextmanager
async def load_client(folder: Path) -> AsyncIterator[LoadClient]:
    """Run the client's process while the block lasts."""
    async with obeying([sys.executable, "-m", "tests.bench.gateway.client"]) as process:
        yield LoadClient(process, folder)
