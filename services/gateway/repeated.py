"""Was this asked before, under the same Idempotency-Key? Then its first answer is given again, and nothing done twice.

Answers may hold a secret that is shown once, so they are kept sealed. They are hints: when both Redis and this process
have lost one, the request is taken as new.
"""

import hashlib
from base64 import b64decode, b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.turns import Turns
from shared.platform.problems import Code, Problem, invalid_parameter

REMEMBERED: Final = 1_000
_HEADER: Final = "Idempotency-Key"
_LONGEST: Final = 255
_UNDER: Final = "/v1/"
_OF_THEIR_OWN: Final = "/v1/desk/"
"""Decisions know their keys themselves, in the log."""
_DONE_FROM, _DONE_BELOW = 200, 300
"""Only what was done is not to be done again; a refusal has changed nothing."""


class Answers(Protocol):
    """First answers by name for a day; never raises, and may forget at any moment."""

    async def first(self, name: str) -> bytes | None: ...

    async def keep(self, name: str, answer: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was asked, by its digest, and what was answered."""

    asked: str
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def encoded(self) -> bytes:
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers]
        return orjson.dumps([self.asked, self.status, headers, b64encode(self.body).decode()])

    @classmethod
    def decoded(cls, data: bytes) -> "Recorded":
        asked, status, headers, body = orjson.loads(data)
        return cls(asked, status, [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers], b64decode(body))


@dataclass(slots=True)
class Repeated:
    """ASGI layer behind the knock, for every POST of the API but the desk's."""

    app: ASGIApp
    answers: Answers | None = None
    _own: "OrderedDict[str, Recorded]" = field(default_factory=OrderedDict)
    _turns: Turns = field(default_factory=Turns)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = scope.get("state", {}).get("principal")
        key = Headers(scope=scope).get(_HEADER) if scope["type"] == "http" else None
        path = scope.get("path", "")
        concerned = path.startswith(_UNDER) and not path.startswith(_OF_THEIR_OWN) and scope.get("method") == "POST"
        if key is None or principal is None or not concerned:
            await self.app(scope, receive, send)
        elif not 0 < len(key) <= _LONGEST:
            problem = invalid_parameter(_HEADER, f"a key has 1 to {_LONGEST} characters")
            await problem.response()(scope, receive, send)
        else:
            name = _digest(principal.key_id.encode(), key.encode())
            body = await _whole(receive)
            async with self._turns.of(name):
                await self._answer(name, body, scope, receive, send)

    async def _answer(self, name: str, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _digest(scope["path"].encode(), scope["query_string"], body)
        known = await self._known(name)
        if known is None:
            recorded = await self._done(asked, body, scope, send)
            if _DONE_FROM <= recorded.status < _DONE_BELOW:
                await self._keep(name, recorded)
        elif known.asked != asked:
            detail = "this Idempotency-Key was used for another request; take a new key for a new one"
            await Problem(Code.KEY_REUSED, detail).response()(scope, receive, send)
        else:
            head = [*known.headers, (b"idempotency-replayed", b"true")]
            await send({"type": "http.response.start", "status": known.status, "headers": head})
            await send({"type": "http.response.body", "body": known.body})

    async def _done(self, asked: str, body: bytes, scope: Scope, send: Send) -> Recorded:
        """Have it answered, and note the answer as it goes by."""
        start: dict[str, Any] = {}
        pieces: list[bytes] = []

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(status=message["status"], headers=list(message["headers"]))
            else:
                pieces.append(message.get("body", b""))
            await send(message)

        async def given() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, given, noted)
        return Recorded(asked, start["status"], start["headers"], b"".join(pieces))

    async def _known(self, name: str) -> Recorded | None:
        if (known := self._own.get(name)) is not None or self.answers is None:
            return known
        kept = await self.answers.first(name)
        return None if kept is None else Recorded.decoded(kept)

    async def _keep(self, name: str, recorded: Recorded) -> None:
        self._own[name] = recorded
        if len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
        if self.answers is not None:
            await self.answers.keep(name, recorded.encoded())


async def _whole(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
