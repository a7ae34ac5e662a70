"""How does a broker that is too old answer? A socket server that speaks as much Kafka as is asked before a refusal."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataResponse_v1

HOST = "127.0.0.1"
FETCH, METADATA, API_VERSIONS = 1, 3, 18


@asynccontextmanager
async def old_broker(*, fetch: int) -> AsyncIterator[str]:
    """host:port of a broker whose newest version of Fetch is `fetch` (3.9 speaks 17)."""
    port = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                api, _, correlation = struct.unpack(">hhi", (await reader.readexactly(size))[:8])
                body = struct.pack(">i", correlation) + _answer(api)
                writer.write(struct.pack(">i", len(body)) + body)
        except asyncio.IncompleteReadError:
            writer.close()

    def _answer(api: int) -> bytes:
        if api == API_VERSIONS:
            spoken = [(FETCH, 0, fetch), (METADATA, 0, 1), (API_VERSIONS, 0, 0)]
            return bytes(ApiVersionResponse_v0(0, spoken).encode())
        assert api == METADATA, f"API {api} was asked of a broker that is too old"
        return bytes(MetadataResponse_v1([(0, HOST, port, None)], 0, []).encode())

    server = await asyncio.start_server(serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{HOST}:{port}"
    finally:
        server.close()
        await server.wait_closed()
