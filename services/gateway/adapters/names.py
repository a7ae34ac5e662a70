"""Which addresses does a name have? The system's resolver, asked off the event loop and not for long."""

import asyncio
import socket
from collections.abc import Sequence

BUDGET_S = 5.0


class SystemNames:
    """`services.gateway.ports.Names`."""

    def __init__(self, budget_s: float = BUDGET_S) -> None:
        self._budget_s = budget_s

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._budget_s):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            return ()
        return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
