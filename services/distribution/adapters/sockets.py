"""How does a socket get to one of several addresses, and out of use again at once?"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

HEAD_START_S: Final = 0.25  # what an address has before the next one is tried beside it (RFC 8305, section 5)

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def reset_on_close(sock: Any) -> None:
    """Let closing this socket reset its connection: unsent bytes are dropped and nothing waits for the peer."""
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


async def first_connected(addresses: Sequence[str], port: int, head_start: float = HEAD_START_S) -> socket.socket:
    """Return the first socket to connect; raise the last `OSError` when none does.

    Addresses are tried in their order: the next one when one has failed, or beside it after `head_start` seconds.
    """
    if len(addresses) == 1:
        return await _connected(addresses[0], port)
    untried, failure = deque(addresses), OSError("no address")
    trying: set[asyncio.Task[socket.socket]] = set()
    try:
        while untried or trying:
            if untried:
                trying.add(asyncio.create_task(_connected(untried.popleft(), port)))
            patience = head_start if untried else None
            done, _ = await asyncio.wait(trying, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                trying.discard(one)
                error = one.exception()
                if error is None:
                    return one.result()
                if not isinstance(error, OSError):
                    raise error
                failure = error
        raise failure
    finally:
        for one in trying:
            one.cancel()
            one.add_done_callback(_close_unused)


async def _connected(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _close_unused(loser: asyncio.Task[socket.socket]) -> None:
    if not loser.cancelled() and loser.exception() is None:
        loser.result().close()
