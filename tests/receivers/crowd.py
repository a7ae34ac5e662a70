"""`python -m tests.receivers.crowd`: receivers of every hostile kind in a process of their own.

A test that weighs the sender must not weigh them. The first line on stdout names their URLs; they go with stdin.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.receivers import hostile
from tests.receivers.serving import receiving

SCRIPTS = (
    hostile.hanging,
    hostile.dripping_head(),
    hostile.dripping_body(),
    hostile.endless_headers,
    hostile.one_endless_header,
    hostile.informational_flood,
    hostile.huge_body(),
    hostile.huge_body(chunked=True),
    hostile.endless_chunk_extension,
    hostile.endless_trailers,
    hostile.crumbs,
    hostile.never_reading,
)


async def serve() -> None:
    """Serve until stdin ends."""
    async with AsyncExitStack() as opened:
        served = [await opened.enter_async_context(receiving(script)) for script in SCRIPTS]
        served.append(await opened.enter_async_context(receiving(hostile.silent, scheme="https")))
        sys.stdout.write(" ".join(each.url for each in served) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def crowd() -> AsyncIterator[list[str]]:
    """Run them while the block lasts; yields the URL of each kind, the last a TLS handshake that never ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.receivers.crowd", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().split()
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve())
