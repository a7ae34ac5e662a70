"""Which address may this connection of aiohttp's go to? Asked when a name is resolved and when its socket is made."""

import socket
from time import perf_counter

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType, SocketFactoryType

from services.distribution.adapters.fallback.exchange import current
from services.distribution.adapters.names import Names
from shared.platform.egress import EgressPolicy, UrlRefused, vet_answers


class AddressRefused(OSError):
    """The address a connection was about to go to may not be called."""


class VettingResolver(AbstractResolver):
    """Resolve names for aiohttp, refusing a name as soon as one of its addresses may not be called."""

    def __init__(self, policy: EgressPolicy, names: Names) -> None:
        self._policy = policy
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`; raise `NameUnresolved`, or `AddressRefused` if any of them is bad."""
        exchange = current.get()
        exchange.lookup_at = perf_counter()
        addresses = await self._names.addresses(host, port)
        exchange.resolved_at = perf_counter()
        try:
            vetted = vet_answers(host, port, addresses, self._policy)
        except UrlRefused as refused:
            exchange.refused = refused
            raise AddressRefused(refused.detail) from refused
        return [_result(host, address, port) for address in vetted]

    async def close(self) -> None:
        self._names.close()


def vetted_sockets(policy: EgressPolicy) -> SocketFactoryType:
    """Return aiohttp's maker of sockets: it judges the final address, which no rebinding name can change.

    IP literals in URLs never meet the resolver; this is where they are judged.
    """

    def make(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        exchange = current.get()
        try:
            vet_answers(exchange.host, exchange.port, [str(address[0])], policy)
        except UrlRefused as refused:
            exchange.refused = refused
            raise AddressRefused(refused.detail) from refused
        return socket.socket(family, kind, protocol)

    return make


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )
