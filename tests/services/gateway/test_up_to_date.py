"""Does a process that stood still answer from what it knew before?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.gateway.stream.wakefulness import Wakefulness
from services.gateway.up_to_date import UpToDate
from tests.services.gateway.stream.sleeping import Sleeper, Slow
from tests.waiting import wait_until


class Site:
    """One page, whose text a kill withdraws; the kill is known once the log is read to its end."""

    def __init__(self) -> None:
        self.clock, self.log, self.text = Sleeper(), Slow(), "a story"
        self.wakefulness = Wakefulness([self._reach_end], lambda: None, self.clock)

    async def _reach_end(self) -> None:
        await self.log.reach_end()
        self.text = "gone"

    async def page(self, request: Request) -> Response:
        return PlainTextResponse(self.text)

    @asynccontextmanager
    async def served(self, within_s: float = 5) -> AsyncIterator[httpx2.AsyncClient]:
        """A client of it, over the layer."""
        app = Starlette(routes=[Route(path, self.page) for path in ("/stories/one", "/livez")])
        app.add_middleware(UpToDate, wakefulness=self.wakefulness, within_s=within_s)
        watching = asyncio.create_task(self.wakefulness.watch())
        try:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://wire") as http:
                yield http
        finally:
            watching.cancel()


async def test_a_request_waits_until_what_happened_meanwhile_is_known() -> None:
    """The kill came while the process stood still: its first answer goes by it."""
    site = Site()
    async with site.served() as http:
        assert (await http.get("/stories/one")).text == "a story"
        site.clock.stand_still()
        asked = asyncio.create_task(http.get("/stories/one"))
        await wait_until(lambda: site.log.asked == 1, within=5)
        assert not asked.done()
        site.log.reach()
        assert (await asked).text == "gone"


async def test_without_a_broker_the_answer_is_to_come_again() -> None:
    """Not what was known before, and no hang; who asks for its life only is answered."""
    site = Site()
    async with site.served(within_s=0.05) as http:
        site.clock.stand_still()
        refused = await http.get("/stories/one")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await http.get("/livez")).status_code == 200
