"""What does a reader see all the while? Never less than before: an answer may be missing, but not wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx2

from tests.journeys.people import Person

EVERY_S = 0.1
PAGE = 100


@dataclass(slots=True)
class Reader:
    """Asks for the newest stories over and over; `wrong` tells of answers that nobody should have been given."""

    person: Person
    most: int = 0
    answered: int = 0
    wrong: list[str] = field(default_factory=list)

    async def ask(self) -> None:
        try:
            answer = await self.person.api.get("/v1/stories", params={"limit": PAGE})
        except httpx2.TransportError:
            return  # the gateway itself is being killed
        if answer.status_code == 503 and "retry-after" in answer.headers:
            return
        if answer.status_code != 200:
            self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
            return
        self.answered += 1
        shown = len(answer.json()["items"])
        if shown < self.most:
            self.wrong.append(f"{shown} stories after {self.most} had been shown")
        self.most = max(self.most, shown)


@asynccontextmanager
async def reading(person: Person) -> AsyncIterator[Reader]:
    """Read in the background while the block lasts."""
    reader = Reader(person)

    async def ask_for_ever() -> None:
        for _ in count():
            await reader.ask()
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(ask_for_ever())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
