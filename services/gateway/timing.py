"""How long did each route take? One histogram, by route template: no id ever becomes a label."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.platform.metrics import HTTP_SECONDS


class Timing:
    """ASGI layer: observes the time until the last byte of the answer was handed over."""

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
