"""How does one signed webhook go out over aiohttp, with every minute and byte its receiver may cost bounded?"""

import io
import math
from functools import lru_cache
from time import perf_counter
from types import TracebackType
from typing import Self

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorSSLError,
    ClientError,
    ClientOSError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
)
from multidict import CIMultiDict
from yarl import URL

from services.distribution.adapters import wording
from services.distribution.adapters.budgets import DEFAULT, Budgets
from services.distribution.adapters.fallback.connector import (
    GatedConnector,
    GateShutError,
    SpokeFirstError,
    TimedContext,
)
from services.distribution.adapters.fallback.exchange import Exchange, current
from services.distribution.adapters.fallback.halting import halting
from services.distribution.adapters.fallback.resolver import VettingResolver, vetted_sockets
from services.distribution.adapters.names import Lookup, Names, system_lookup
from services.distribution.adapters.trust import BadClientCertificate, contexts
from services.distribution.outcome import GateShut, Outcome, Timing, Unreachable
from services.distribution.sending import Answer, Gate, SendRequest, always_open
from shared.platform.egress import EgressPolicy, UrlRefused, VettedUrl, vet_url
from shared.platform.failpoints import Failpoints
from shared.platform.publishing import PublishFailed
from shared.platform.webhook_headers import TRANSPORT_HEADERS


class AiohttpSender:
    """`Sender` over aiohttp: vetted addresses only, no redirects, no cookies, no proxies, no decompression.

    To be made inside a running event loop, one per process. The pool keeps connections by host name, port
    and scheme; resends use a second pool that keeps none, so that they never meet another stale connection.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        budgets: Budgets = DEFAULT,
        lookup: Lookup = system_lookup,
        authorities: str | None = None,
        failpoints: Failpoints | None = None,
    ) -> None:
        self._failpoints = failpoints
        self._budgets = budgets
        self._closing = False
        self._resolver = VettingResolver(policy, Names(lookup, budgets.lookup))
        self._contexts = contexts(TimedContext, authorities)
        sockets = vetted_sockets(policy)

        def session(**keeping: object) -> ClientSession:
            connector = GatedConnector(
                max_age=budgets.max_age, resolver=self._resolver, socket_factory=sockets, **keeping
            )
            return ClientSession(
                connector=connector,
                response_class=ClientResponse if failpoints is None else halting(failpoints),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent",),
                max_line_size=budgets.line,
                max_field_size=budgets.line,
            )

        self._kept = session(keepalive_timeout=budgets.keep_alive)
        self._fresh = session(force_close=True)

        @lru_cache(maxsize=8192)
        def vetted(url: str) -> tuple[VettedUrl, URL]:
            passed = vet_url(url, policy)
            return passed, URL(passed.url, encoded=True)

        self._vetted = vetted

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def send(self, request: SendRequest, gate: Gate = always_open) -> Answer:
        """POST once and say what came of it: see `Sender.send`. The URL is vetted again at every attempt."""
        began = perf_counter()
        try:
            vetted, url = self._vetted(request.url)
        except UrlRefused as refused:
            return Answer(Unreachable("refused_address", refused.detail), Timing(0.0))
        exchange = Exchange(host=vetted.host, port=vetted.port, gate=gate)
        outcome, excerpt = await self._post(self._kept, url, request, exchange, self._budgets.total)
        resent = False
        if exchange.died_unanswered and wording.is_reset(outcome) and not self._closing:
            again = Exchange(host=vetted.host, port=vetted.port, gate=gate)
            left = self._budgets.total - (perf_counter() - began)
            second, second_excerpt = await self._post(self._fresh, url, request, again, left)
            if not isinstance(second, GateShut):  # else the first outcome stands: its bytes may have arrived
                exchange, outcome, excerpt, resent = again, second, second_excerpt, True
        if self._failpoints is not None:
            await self._failpoints.passing("post.after", PublishFailed)
        return Answer(outcome, exchange.timing(began), excerpt, resent)

    async def close(self) -> None:
        """Close every connection; exchanges in hand end as `Unreachable`."""
        self._closing = True
        await self._kept.close()
        await self._fresh.close()
        await self._resolver.close()

    async def _post(
        self, session: ClientSession, url: URL, request: SendRequest, exchange: Exchange, seconds: float
    ) -> tuple[Outcome, str]:
        """Make one exchange on one connection; every way it can fail at the receiver's hand becomes a value."""
        budgets = self._budgets
        timeout = ClientTimeout(total=max(seconds, 0.001), connect=budgets.connect, ceil_threshold=math.inf)
        token = current.set(exchange)
        response: ClientResponse | None = None
        try:
            if self._failpoints is not None:
                await self._failpoints.passing("post.before", ClientOSError)
            response = await session.post(
                url,
                data=_payload(request.body),
                headers=_wire_headers(request),
                allow_redirects=False,
                timeout=timeout,
                ssl=self._contexts(request.client_certificate),
            )
            return await self._read(response, exchange)
        except GateShutError:
            return GateShut(), ""
        except BadClientCertificate:
            return wording.BAD_CLIENT_CERTIFICATE, ""
        except (ClientError, OSError, ValueError) as error:
            return _trouble(error, exchange, budgets), ""
        finally:
            current.reset(token)
            exchange.finish(cut_off=response is not None and response.connection is not None)
            if response is not None:
                response.close()

    async def _read(self, response: ClientResponse, exchange: Exchange) -> tuple[Outcome, str]:
        """Read at most 64 KiB of the body. A failure status stands whatever happens to the body behind it."""
        excerpt = bytearray()
        trouble: Unreachable | None = None
        left = self._budgets.body
        try:
            while left and (part := await response.content.read(left)):
                left -= len(part)
                excerpt += part[: self._budgets.excerpt - len(excerpt)]
        except (ClientError, OSError) as error:
            trouble = _trouble(error, exchange, self._budgets)
        asked = response.headers.getall("Retry-After", ())
        return wording.answered(response.status, asked, trouble), wording.text(excerpt)


def _payload(body: bytes) -> bytes | io.BytesIO:
    """Hand a large body over in pieces: aiohttp warns of writing a megabyte at once, for it blocks the loop."""
    return body if len(body) <= 1024 * 1024 else io.BytesIO(body)


def _wire_headers(request: SendRequest) -> CIMultiDict[str]:
    headers = CIMultiDict((name, value) for name, value in request.headers if name.lower() not in TRANSPORT_HEADERS)
    headers["Accept-Encoding"] = "identity"
    return headers


def _trouble(error: Exception, exchange: Exchange, budgets: Budgets) -> Unreachable:
    """Name what went wrong, in words for the endpoint's owner; aiohttp's own would repeat the URL."""
    if exchange.refused is not None:
        return Unreachable("refused_address", exchange.refused.detail)
    if isinstance(error, TimeoutError):
        return wording.late(exchange, budgets)
    if exchange.connected_at is None:
        return _unconnected(error, exchange)
    match error:
        case ClientPayloadError():
            return wording.CUT_SHORT
        case ServerDisconnectedError() | OSError() if exchange.received:
            return wording.CUT_INSIDE
        case ServerDisconnectedError() | OSError():
            return wording.NO_ANSWER
        case ValueError():
            return wording.UNWRITABLE
        case ClientResponseError():
            return wording.NOT_HTTP
        case _:
            return wording.NO_END


def _unconnected(error: Exception, exchange: Exchange) -> Unreachable:
    match error:
        case SpokeFirstError():
            return wording.NOT_HTTP
        case ClientConnectorDNSError():
            return wording.NO_NAME
        case ClientConnectorCertificateError():
            return wording.BAD_CERTIFICATE
        case ClientConnectorSSLError():
            return wording.NO_HANDSHAKE
        case _ if exchange.handshake_at is not None:
            return wording.DIED_IN_HANDSHAKE
        case OSError():
            return wording.NO_CONNECTION
        case _:
            return wording.UNWRITABLE
