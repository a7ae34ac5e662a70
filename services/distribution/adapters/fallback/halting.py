"""How can a test act when a webhook is written and its answer not read? Only with failpoints armed."""

import asyncio
from typing import Self

from aiohttp import ClientOSError, ClientResponse
from aiohttp.connector import Connection

from shared.platform.failpoints import Failpoints


def halting(failpoints: Failpoints) -> type[ClientResponse]:
    """Return aiohttp's response with the point `post.sent` before it reads; "fail" there is a connection that died."""

    class Halting(ClientResponse):
        async def start(self, connection: Connection) -> Self:
            writing = self._writer
            if writing is not None:
                await asyncio.wait({writing})
            await failpoints.passing("post.sent", ClientOSError)
            await super().start(connection)
            return self

    return Halting
