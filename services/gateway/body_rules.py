"""Is this request's body one we read at all? Size and media type, judged before anybody parses it."""

from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.platform.problems import Code, Problem

MOST_BYTES: Final = 1024 * 1024
_TOO_LARGE: Final = f"a body may have {MOST_BYTES} bytes here"


class BodyRules:
    """ASGI layer: 413 beyond 1 MiB, 415 for anything but plain JSON; a body without a length is counted as it comes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            await Problem(Code.TOO_LARGE, _TOO_LARGE).response()(scope, receive, send)
        elif (int(length) or "transfer-encoding" in headers) and not _is_json(headers.get("content-type", "")):
            await Problem(Code.UNSUPPORTED_TYPE, "send application/json").response()(scope, receive, send)
        elif headers.get("content-encoding", "identity").lower() != "identity":
            await Problem(Code.UNSUPPORTED_TYPE, "send the body uncompressed").response()(scope, receive, send)
        else:
            await self.app(scope, _Counted(receive), send)


class _Counted:
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > MOST_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
