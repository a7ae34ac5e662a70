"""What was asked, and how long did it take? One histogram by route template, one line for what changes something."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.platform.logs import logger
from shared.platform.metrics import HTTP_SECONDS

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Timing:
    """ASGI layer: observes the time until the last byte of the answer was handed over.

    Reads are counted only; a line would say nothing that the histogram does not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            took = time.perf_counter() - began
            HTTP_SECONDS.labels("gateway", route, scope["method"], str(status)).observe(took)
            if scope["method"] not in _READS:
                by = scope.get("state", {}).get("principal")
                logger().info(
                    "request.answered",
                    route=route,
                    method=scope["method"],
                    status=status,
                    key_id=by.key_id if by else None,
                    ms=round(took * 1000, 1),
                )
