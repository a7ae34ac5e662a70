"""A process of the bench that takes orders: one a line on its stdin; on stdout it tells counts, and answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

UP_WITHIN_S = 20.0


class Obeying:
    """`counts` follow what the process tells (`count 3 4`), within a few milliseconds; `up`: its first answer."""

    up = ""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.counts: Sequence[int] = (0, 0)
        self._process = process
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, order: str, within: float) -> str:
        """Give one order and return its answer, the line behind its first word. Raises TimeoutError."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n".encode())
        return await self.answer(within)

    async def answer(self, within: float) -> str:
        """The next answer; the first is that the process is up."""
        async with asyncio.timeout(within):
            return await self._answers.get()

    async def follow(self) -> None:
        """Read what the process says until it ends."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            kind, _, rest = line.decode().rstrip("\n").partition(" ")
            if kind == "count":
                self.counts = tuple(map(int, rest.split()))
            else:
                self._answers.put_nowait(rest)


@asynccontextmanager
async def obeying(command: Sequence[str], environment: Mapping[str, str] | None = None) -> AsyncIterator[Obeying]:
    """Run the process while the block lasts; it is up when it has given its first answer."""
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    child = Obeying(process)
    following = asyncio.create_task(child.follow())
    try:
        child.up = await child.answer(UP_WITHIN_S)
        yield child
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await following
