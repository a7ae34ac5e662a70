"""Which address may this connection go to? Asked when a name is resolved and again when its socket is made."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Thread
from time import perf_counter
from typing import Final, TypeAlias

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType, SocketFactoryType

from services.distribution.adapters.exchange import current
from shared.platform.egress import EgressPolicy, UrlRefused, vet_answers

Lookup: TypeAlias = Callable[[str, int], Sequence[str]]

MOST_ADDRESSES: Final = 64  # each is judged on the event loop and tried in turn: no name needs more


class AddressRefused(OSError):
    """The address a connection was about to go to may not be called."""


class NameUnresolved(OSError):
    """A name has no address, or none was found in time."""


def system_lookup(host: str, port: int) -> list[str]:
    """Return the addresses the system's resolver knows for a name, in its order; blocks, raises `OSError`."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


class VettingResolver(AbstractResolver):
    """Resolve names for aiohttp, refusing a name as soon as one of its addresses may not be called.

    `lookup` blocks and runs in threads of its own, at most `at_once` of them: a silent name server holds up
    nobody's files or locks, nor the end of the process. One look-up per name at a time, so that a dead name
    holds one thread however many deliveries wait for it. `budget` is in seconds.
    """

    def __init__(
        self, policy: EgressPolicy, lookup: Lookup = system_lookup, budget: float = 5.0, at_once: int = 64
    ) -> None:
        self._policy = policy
        self._lookup = lookup
        self._budget = budget
        self._slots = asyncio.Semaphore(at_once)
        self._under_way: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`; raise `NameUnresolved`, or `AddressRefused` if any of them is bad."""
        exchange = current.get()
        exchange.lookup_at = perf_counter()
        addresses = await self._addresses(host, port)
        exchange.resolved_at = perf_counter()
        try:
            vetted = vet_answers(host, port, addresses, self._policy)
        except UrlRefused as refused:
            exchange.refused = refused
            raise AddressRefused(refused.detail) from refused
        return [_result(host, address, port) for address in vetted]

    async def close(self) -> None:
        """Forget what is under way; nobody waits for threads that wait for a name server."""
        for task in self._under_way.values():
            task.cancel()

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        under_way = self._look_up_once(host, port)
        try:
            async with asyncio.timeout(self._budget):
                await asyncio.wait({under_way})
        except TimeoutError as late:
            raise NameUnresolved(f"no answer within {self._budget:g} s") from late
        if under_way.cancelled():
            raise NameUnresolved("the resolver was closed")
        try:
            addresses = under_way.result()
        except (OSError, UnicodeError) as unknown:
            raise NameUnresolved("the name has no address") from unknown
        if not 0 < len(addresses) <= MOST_ADDRESSES:
            raise NameUnresolved(f"the name has {len(addresses)} addresses")
        return addresses

    def _look_up_once(self, host: str, port: int) -> asyncio.Task[Sequence[str]]:
        name = (host, port)
        under_way = self._under_way.get(name)
        if under_way is None:
            under_way = self._under_way[name] = asyncio.create_task(self._look_up(host, port))
            under_way.add_done_callback(lambda done: self._forget(name, done))
        return under_way

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        async with self._slots:
            return await _in_thread(partial(self._lookup, host, port))

    def _forget(self, name: tuple[str, int], done: asyncio.Task[Sequence[str]]) -> None:
        del self._under_way[name]
        if not done.cancelled():
            done.exception()  # looked at, for the case that every waiter has gone


async def _in_thread(call: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Run a blocking call in a thread that a stopping process does not wait for, as it would for an executor's."""
    promise: Future[Sequence[str]] = Future()
    promise.set_running_or_notify_cancel()

    def run() -> None:
        try:
            promise.set_result(call())
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits
            promise.set_exception(error)

    Thread(target=run, name="resolve", daemon=True).start()
    return await asyncio.wrap_future(promise)


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
