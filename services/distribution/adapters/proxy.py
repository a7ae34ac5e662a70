"""How does a connection leave through the one machine whose address receivers know?"""

import asyncio
import base64
import socket
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from shared.domain.errors import Misconfigured

SETTING: Final = "WIRE_EGRESS_PROXY"
LONGEST_REPLY: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """An HTTP proxy that makes tunnels (CONNECT). It is the operator's own machine, so its address is not vetted."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


class ProxyRefused(Exception):
    """The proxy made no tunnel; `str(error)` is a sentence for the endpoint's owner."""


def parse_proxy(url: str) -> EgressProxy | None:
    """Read `http://[user:password@]host:port`, or nothing at all; raise `Misconfigured`, never repeating the value."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misconfigured(f"{SETTING} is not a URL.") from None
    if parts.scheme != "http" or not parts.hostname or port is None or parts.path.strip("/") or parts.query:
        raise Misconfigured(f"{SETTING} must be http://host:port, with user:password@ before the host if need be.")
    if parts.username is None:
        return EgressProxy(parts.hostname, port)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return EgressProxy(parts.hostname, port, "Basic " + base64.b64encode(pair.encode()).decode())


async def tunnel(sock: socket.socket, proxy: EgressProxy, address: str, port: int) -> None:
    """Ask the proxy behind `sock` for a tunnel to a vetted address; raise `ProxyRefused`.

    It is asked (RFC 9110, 9.3.6) for the address and not for the name: what the proxy would resolve, nobody has vetted.
    """
    loop = asyncio.get_running_loop()
    to = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    authorization = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    reply = b""
    try:
        await loop.sock_sendall(sock, f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{authorization}\r\n".encode())
        while b"\r\n\r\n" not in reply:
            more = await loop.sock_recv(sock, LONGEST_REPLY)
            if not more or len(reply) > LONGEST_REPLY:
                raise ProxyRefused("the egress proxy broke off")
            reply += more
    except ConnectionError:
        raise ProxyRefused("the egress proxy broke off") from None
    head, _, rest = reply.partition(b"\r\n\r\n")
    version, _, status = head.partition(b" ")
    code = status[:3].decode("latin-1")
    if not version.startswith(b"HTTP/1.") or not code.isdecimal() or (code[0] == "2" and rest):
        raise ProxyRefused("the egress proxy does not speak HTTP")
    if code[0] != "2":
        raise ProxyRefused(f"the egress proxy answered {code}")
