"""How does one signed webhook go out, with every minute and byte that its receiver may cost bounded?"""

import hashlib
import ssl
from dataclasses import dataclass
from functools import lru_cache, partial
from time import perf_counter
from types import TracebackType
from typing import Self

from services.distribution.adapters import wording
from services.distribution.adapters.answers import AnswerReader
from services.distribution.adapters.budgets import DEFAULT, Budgets
from services.distribution.adapters.connecting import Connecting, Unconnected
from services.distribution.adapters.connection import Connection, Origin
from services.distribution.adapters.names import Lookup, Names, system_lookup
from services.distribution.adapters.pool import Pool
from services.distribution.adapters.proxy import EgressProxy
from services.distribution.adapters.steps import Steps, milliseconds
from services.distribution.adapters.trust import contexts
from services.distribution.adapters.writing import head_of, target_of
from services.distribution.outcome import GateShut, Outcome, Timing, Unreachable
from services.distribution.sending import Answer, Gate, SendRequest, always_open
from shared.platform.egress import EgressPolicy, UrlRefused
from shared.platform.failpoints import Failpoints
from shared.platform.publishing import PublishFailed


@dataclass(slots=True)
class Post:
    """One POST in hand: where it goes, its bytes, and since when (`perf_counter` seconds)."""

    origin: Origin
    head: bytes
    body: bytes
    certificate: bytes | None
    gate: Gate
    began: float


class WebhookSender:
    """`Sender` over HTTP/1.1 of our own: vetted addresses only, no redirects, no cookies, no decompression.

    To be made inside a running event loop, one per process. Connections are kept by origin and never shared
    between client certificates; a resend goes over a new one, so that it never meets another stale connection.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        budgets: Budgets = DEFAULT,
        lookup: Lookup = system_lookup,
        authorities: str | None = None,
        failpoints: Failpoints | None = None,
        proxy: EgressProxy | None = None,
    ) -> None:
        self._budgets = budgets
        self._failpoints = failpoints
        self._closing = False
        self._pool = Pool(budgets)
        self._connecting = Connecting(
            policy, budgets, Names(lookup, budgets.lookup), contexts(ssl.SSLContext, authorities), self._pool, proxy
        )
        self._target = lru_cache(maxsize=8192)(partial(target_of, policy=policy))

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
            target = self._target(request.url)
            head = head_of(target, request)
        except UrlRefused as refused:
            return Answer(Unreachable("refused_address", refused.detail), Timing(0.0))
        except ValueError:
            return Answer(wording.UNWRITABLE, Timing(0.0))
        origin, certificate = target.origin, request.client_certificate
        if certificate is not None:
            origin = origin._replace(shown=hashlib.sha256(certificate).digest())
        post = Post(origin, head, request.body, certificate, gate, began)
        if self._failpoints is not None:
            return await self._halting(post, self._failpoints)
        return await self._send(post)

    async def close(self) -> None:
        """Close every connection; exchanges in hand end as `Unreachable`."""
        self._closing = True
        self._connecting.close()
        self._pool.close()

    async def _halting(self, post: Post, failpoints: Failpoints) -> Answer:
        """Send with the points at which a tester may strike; "fail" before it is a connection nobody accepted."""
        try:
            await failpoints.passing("post.before", ConnectionError)
        except ConnectionError:
            return Answer(wording.NO_CONNECTION, Timing(milliseconds(post.began, perf_counter())))
        answer = await self._send(post)
        await failpoints.passing("post.after", PublishFailed)
        return answer

    async def _send(self, post: Post) -> Answer:
        kept = self._pool.take(post.origin)
        if kept is None:
            return await self._over_a_new_one(post)
        first = await self._exchange(kept, post)
        if not wording.is_reset(first.outcome) or self._closing:
            return first
        second = await self._over_a_new_one(post, resent=True)
        return first if isinstance(second.outcome, GateShut) else second  # the first one's bytes may have arrived

    async def _over_a_new_one(self, post: Post, *, resent: bool = False) -> Answer:
        steps = Steps()
        left = post.began + self._budgets.total - perf_counter()
        try:
            connection = await self._connecting.connect(
                post.origin, post.certificate, steps, min(self._budgets.connect, left)
            )
        except Unconnected as none:
            return Answer(none.outcome, steps.timing(post.began), resent=resent)
        return await self._exchange(connection, post, steps, resent=resent)

    async def _exchange(
        self, connection: Connection, post: Post, steps: Steps | None = None, *, resent: bool = False
    ) -> Answer:
        """Ask the gate and write, with no await between; wait for the answer. `steps` are those of a new connection."""
        answer = connection.answer
        try:
            if not post.gate():
                self._pool.give(connection)
                return Answer(GateShut(), _timing(connection, post, steps), resent=resent)
            waiting = connection.post(post.head, post.body, post.began + self._budgets.total)
            if self._failpoints is not None:
                await _sent(connection, self._failpoints)
            await waiting
        except BaseException:
            connection.cut()
            raise
        result = Answer(_outcome(answer), _timing(connection, post, steps), wording.text(answer.excerpt), resent)
        if answer.reusable:
            self._pool.give(connection)
        return result


async def _sent(connection: Connection, failpoints: Failpoints) -> None:
    """The request is written, its answer not read; "fail" here is a connection that died."""
    await connection.written()
    try:
        await failpoints.passing("post.sent", ConnectionError)
    except ConnectionError:
        connection.die()


def _outcome(answer: AnswerReader) -> Outcome:
    if answer.status:
        return wording.answered(answer.status, answer.retry_after, answer.trouble)
    return answer.trouble or wording.NO_ANSWER


def _timing(connection: Connection, post: Post, steps: Steps | None) -> Timing:
    """Return the split of one exchange; `steps` are those of a new connection."""
    if steps is not None:
        steps.answered_at = connection.answered_at
        return steps.timing(post.began)
    answered_at = connection.answered_at
    first_byte = None if answered_at is None else milliseconds(connection.written_at, answered_at)
    return Timing(milliseconds(post.began, perf_counter()), first_byte=first_byte)
