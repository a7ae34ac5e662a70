"""What does a reader see all the while? Never less than before: an answer may be missing, but not wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2

from tests.journeys.people import Person, segment

EVERY_S = 0.1
PAGE = 100


@dataclass(slots=True)
class Reader:
    """Asks for the newest stories, and for one known story, over and over.

    `wrong` tells of answers nobody should have been given: fewer stories than before, a known one that is not there.
    """

    person: Person
    most: int = 0
    answered: int = 0
    known: str | None = None
    wrong: list[str] = field(default_factory=list)

    async def ask(self) -> None:
        if (page := await self._get("/v1/stories", limit=PAGE)) is not None:
            items = page.json()["items"]
            if len(items) < self.most:
                self.wrong.append(f"{len(items)} stories after {self.most} had been shown")
            self.most = max(self.most, len(items))
            self.known = self.known or (items[0]["story_id"] if items else None)
        if self.known:
            await self._get(f"/v1/stories/{segment(self.known)}")

    async def _get(self, path: str, **query: Any) -> httpx2.Response | None:
        """Return a 200; None for one that asks for patience, and while the gateway itself is away."""
        try:
            answer = await self.person.api.get(path, params=query)
        except httpx2.TransportError:
            return None
        if answer.status_code == 503 and "retry-after" in answer.headers:
            return None
        if answer.status_code != 200:
            self.wrong.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            return None
        self.answered += 1
        return answer


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
