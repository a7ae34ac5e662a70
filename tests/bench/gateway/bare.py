"""The bare server as the bench has it: what the gateway is held against."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

from tests.bench.gateway.servers import HOST, WEBSOCKET, Posting, posting_to, request
from tests.bench.gateway.stories import Story
from tests.bench.obeying import Obeying, obeying


class BareServer:
    """Stories that are put together are written together, as the gateway's are."""

    name = "bare loop"

    def __init__(self, process: Obeying, posting: Posting) -> None:
        self._process = process
        self._posting = posting

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        return HOST, int(self._process.up)

    def head(self, kind: str, client: int, sections: Sequence[str], cursor: str = "") -> str:
        if kind == "ws":
            return request(f"/ws/{'/'.join(sections)}", WEBSOCKET)
        return request(f"/sub/{'/'.join(sections)}")

    async def put(self, stories: Sequence[Story]) -> None:
        for section, together in groupby(stories, key=lambda story: story.section):
            lines = b"\n".join(story.item().model_dump_json().encode() for story in together)
            await self._posting.post(f"/pub/{section}", lines)


@asynccontextmanager
async def bare_server() -> AsyncIterator[BareServer]:
    """Run it while the block lasts."""
    async with obeying([sys.executable, "-m", "tests.bench.gateway.bare_server"]) as process:
        posting = await posting_to((HOST, int(process.up)))
        try:
            yield BareServer(process, posting)
        finally:
            await posting.close()
