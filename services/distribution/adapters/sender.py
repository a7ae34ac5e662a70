"""How does one signed webhook go out, with every minute and byte that its receiver may cost bounded?"""

import codecs
import io
import math
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
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

from services.distribution.adapters.connector import GatedConnector, GateShutError, trusting
from services.distribution.adapters.exchange import Exchange, current
from services.distribution.adapters.halting import halting
from services.distribution.adapters.resolver import Lookup, VettingResolver, system_lookup, vetted_sockets
from services.distribution.outcome import Delivered, GateShut, Outcome, Refused, Timing, Unreachable
from services.distribution.retry_after import parse_retry_after
from services.distribution.sending import Answer, Gate, SendRequest, always_open
from shared.platform.egress import EgressPolicy, UrlRefused, VettedUrl, vet_url
from shared.platform.failpoints import Failpoints
from shared.platform.publishing import PublishFailed
from shared.platform.webhook_headers import TRANSPORT_HEADERS


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one attempt may cost: seconds, and bytes of the answer's body."""

    total: float = 15.0
    connect: float = 3.0
    lookup: float = 5.0  # cut by `connect`; for callers that resolve at leisure
    keep_alive: float = 60.0
    max_age: float = 300.0  # a kept connection outlives a change of its name's address: not for ever
    body: int = 64 * 1024
    excerpt: int = 1024
    line: int = 8190


class AiohttpSender:
    """`Sender` over aiohttp: vetted addresses only, no redirects, no cookies, no proxies, no decompression.

    To be made inside a running event loop, one per process. The pool keeps connections by host name, port
    and scheme; resends use a second pool that keeps none, so that they never meet another stale connection.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        budgets: Budgets = Budgets(),
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
        failpoints: Failpoints | None = None,
    ) -> None:
        self._failpoints = failpoints
        self._budgets = budgets
        self._closing = False
        self._resolver = VettingResolver(policy, lookup, budgets.lookup)
        context = tls if tls is not None else trusting()
        sockets = vetted_sockets(policy)

        def session(**keeping: object) -> ClientSession:
            connector = GatedConnector(
                max_age=budgets.max_age, resolver=self._resolver, socket_factory=sockets, ssl=context, **keeping
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
        exchange = Exchange(vetted.host, vetted.port, gate)
        outcome, excerpt = await self._post(self._kept, url, request, exchange, self._budgets.total)
        resent = False
        if exchange.died_unanswered and _is_reset(outcome) and not self._closing:
            again = Exchange(vetted.host, vetted.port, gate)
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
                url, data=_payload(request.body), headers=_wire_headers(request), allow_redirects=False, timeout=timeout
            )
            return await self._read(response, exchange)
        except GateShutError:
            return GateShut(), ""
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
        if 200 <= response.status < 300:
            return trouble or Delivered(response.status), _text(excerpt)
        asked = parse_retry_after(response.headers.getall("Retry-After", ()), datetime.now(UTC))
        return Refused(response.status, asked), _text(excerpt)


def _is_reset(outcome: Outcome) -> bool:
    return isinstance(outcome, Unreachable) and outcome.kind == "reset"


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
        return _late(exchange, budgets)
    if exchange.connected_at is None:
        return _unconnected(error, exchange)
    match error:
        case ClientPayloadError():
            return Unreachable("truncated", "the answer ended before the length it had announced")
        case ServerDisconnectedError() | OSError() if exchange.received:
            return Unreachable("truncated", "the connection died inside the answer")
        case ServerDisconnectedError() | OSError():
            return Unreachable("reset", "the connection died before an answer began")
        case ValueError():
            return Unreachable("protocol", "the request could not be written")
        case ClientResponseError():
            return Unreachable("protocol", "the answer is not well-formed HTTP/1.1")
        case _:
            return Unreachable("protocol", "the answer is not HTTP, or its head does not end")


def _late(exchange: Exchange, budgets: Budgets) -> Unreachable:
    if exchange.connected_at is not None:
        return Unreachable("timeout", f"no whole answer within {budgets.total:g} s")
    if exchange.lookup_at is not None and exchange.resolved_at is None:
        return Unreachable("dns", f"the name was not resolved within {budgets.connect:g} s")
    step = "TLS handshake" if exchange.handshake_at is not None else "connection"
    return Unreachable("timeout", f"no {step} within {budgets.connect:g} s")


def _unconnected(error: Exception, exchange: Exchange) -> Unreachable:
    match error:
        case ClientConnectorDNSError():
            return Unreachable("dns", "the name could not be resolved")
        case ClientConnectorCertificateError():
            return Unreachable("tls", "the certificate is not valid for this name")
        case ClientConnectorSSLError():
            return Unreachable("tls", "the TLS handshake failed")
        case _ if exchange.handshake_at is not None:
            return Unreachable("tls", "the connection died during the TLS handshake")
        case OSError():
            return Unreachable("connect", "no connection could be made")
        case _:
            return Unreachable("protocol", "the request could not be written")


def _text(excerpt: bytearray) -> str:
    """Return bytes as text: a character cut in half is left off, what is not UTF-8 is shown as its escapes."""
    return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(bytes(excerpt))
