"""How is a connection made to a receiver, and to none but an address that was vetted for it?"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address
from time import perf_counter

from services.distribution.adapters import wording
from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.connection import Connection, Origin
from services.distribution.adapters.names import Names, NameUnresolved
from services.distribution.adapters.pool import Pool
from services.distribution.adapters.proxy import EgressProxy, ProxyRefused, tunnel
from services.distribution.adapters.sockets import first_connected, reset_on_close
from services.distribution.adapters.steps import Steps
from services.distribution.adapters.trust import BadClientCertificate
from services.distribution.outcome import Unreachable
from shared.platform.egress import EgressPolicy, UrlRefused, vet_answers


class Unconnected(Exception):
    """There is no connection; `outcome` says why, in words for the endpoint's owner."""

    def __init__(self, outcome: Unreachable) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class Connecting:
    """Makes connections: the name looked up and vetted anew for each, the address dialled, TLS by the name."""

    def __init__(
        self,
        policy: EgressPolicy,
        budgets: Budgets,
        names: Names,
        contexts: Callable[[bytes | None], ssl.SSLContext],
        pool: Pool,
        proxy: EgressProxy | None = None,
    ) -> None:
        self._policy = policy
        self._budgets = budgets
        self._names = names
        self._contexts = contexts
        self._pool = pool
        self._proxy = proxy
        self._under_way: set[asyncio.Timeout] = set()
        self._closed = False

    async def connect(self, origin: Origin, certificate: bytes | None, steps: Steps, seconds: float) -> Connection:
        """Return a new connection, in `seconds` at most; raise `Unconnected`. `steps` notes how far it came."""
        try:
            async with asyncio.timeout(seconds) as limit:
                self._under_way.add(limit)
                try:
                    return await self._connect(origin, certificate, steps)
                finally:
                    self._under_way.discard(limit)
        except (OSError, UrlRefused, ProxyRefused, BadClientCertificate) as error:
            raise Unconnected(self._trouble(error, steps)) from None

    def close(self) -> None:
        """Give up what is under way, and make nothing more."""
        self._closed = True
        for limit in self._under_way:
            if not limit.expired():
                limit.reschedule(0.0)
        self._names.close()

    async def _connect(self, origin: Origin, certificate: bytes | None, steps: Steps) -> Connection:
        context = self._contexts(certificate) if origin.tls else None
        addresses = await self._vetted(origin.host, origin.port, steps)
        sock = await self._dial(addresses, origin.port)
        if context is not None:
            steps.handshake_at = perf_counter()
        connection = partial(Connection, origin, self._budgets, self._pool.lost)
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(
                connection, sock=sock, ssl=context, server_hostname=origin.host if context else None
            )
        except BaseException:
            reset_on_close(sock)
            raise
        steps.connected_at = perf_counter()
        self._pool.add(made)
        return made

    async def _vetted(self, host: str, port: int, steps: Steps) -> Sequence[str]:
        if _is_literal(host):
            return vet_answers(host, port, [host], self._policy)
        steps.lookup_at = perf_counter()
        addresses = await self._names.addresses(host, port)
        steps.resolved_at = perf_counter()
        return vet_answers(host, port, addresses, self._policy)

    async def _dial(self, addresses: Sequence[str], port: int) -> socket.socket:
        """Return a socket with one of the vetted addresses at its far end; a proxy is asked for them in turn."""
        if self._proxy is None:
            return await first_connected(addresses, port)
        refused = ProxyRefused("the name has no address")
        for address in addresses:
            sock = await self._reach(self._proxy)
            try:
                await tunnel(sock, self._proxy, address, port)
                return sock
            except ProxyRefused as error:
                refused = error
                sock.close()
            except BaseException:
                sock.close()
                raise
        raise refused

    async def _reach(self, proxy: EgressProxy) -> socket.socket:
        """Connect to the proxy, wherever it stands: the operator named it."""
        try:
            hosts = [proxy.host] if _is_literal(proxy.host) else await self._names.addresses(proxy.host, proxy.port)
            return await first_connected(hosts, proxy.port)
        except OSError:  # not the limit of time: that one cancels here, and is raised outside
            raise ProxyRefused("the egress proxy cannot be reached") from None

    def _trouble(self, error: Exception, steps: Steps) -> Unreachable:
        match error:
            case _ if self._closed:
                return wording.NO_CONNECTION
            case UrlRefused():
                return Unreachable("refused_address", error.detail)
            case ProxyRefused():
                return Unreachable("connect", str(error))
            case BadClientCertificate():
                return wording.BAD_CLIENT_CERTIFICATE
            case NameUnresolved():
                return wording.NO_NAME
            case TimeoutError():
                return wording.late(steps, self._budgets)
            case ssl.SSLCertVerificationError():
                return wording.BAD_CERTIFICATE
            case ssl.SSLError():
                return wording.NO_HANDSHAKE
            case _:
                return wording.NO_CONNECTION if steps.handshake_at is None else wording.DIED_IN_HANDSHAKE


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
