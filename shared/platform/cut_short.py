"""What becomes of a request that is still in hand when a stopping process may wait no longer?"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.platform.logs import logger
from shared.platform.problems import unavailable


class CutShort:
    """ASGI layer, the outermost: a request that is cancelled before its answer has begun is answered 503.

    The server would answer 500, as if we had made a mistake; it may be sent again, with its `Idempotency-Key`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except asyncio.CancelledError:
            if begun or scope["type"] != "http":
                raise
            # the task ends with this answer, so the cancellation has done its work
            logger().warning("http.cut_short", route=getattr(scope.get("route"), "path", "none"))
            refusal = unavailable("this process is stopping; whether your request was done is not known", 1)
            await refusal.response()(scope, receive, send)
