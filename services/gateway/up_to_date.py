"""May this process answer now? After a standstill it first reads what happened meanwhile, and the request waits."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.knock import OPEN
from services.gateway.stream.wakefulness import Wakefulness
from shared.platform.problems import unavailable

WITHIN_S: Final = 2.0
"""How long a request waits; reading on takes milliseconds, but not without a broker."""


class UpToDate:
    """ASGI layer: keeps requests until `wakefulness` is fresh, or answers 503 with `Retry-After`.

    Without it a gateway that was stopped would show, in its first answers, stories that others have killed.
    """

    def __init__(self, app: ASGIApp, wakefulness: Wakefulness | None, within_s: float = WITHIN_S) -> None:
        """`wakefulness` None: nothing is looked at."""
        self.app = app
        self._wakefulness = wakefulness
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = self._wakefulness
        if known is not None and scope["type"] == "http" and scope["path"] not in OPEN and not known.fresh():
            try:
                async with asyncio.timeout(self._within_s):
                    await known.until_fresh()
            except TimeoutError:
                refusal = unavailable("this gateway stood still and is reading what happened meanwhile", 1)
                await refusal.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)
