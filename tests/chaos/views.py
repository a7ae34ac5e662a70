"""What do the pages, the list and the feed show all the while, most of all of what is not public?"""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from tests.chaos.books import Account, Ledger
from tests.chaos.history import Reading, Sighting
from tests.chaos.recordings import digest_of, seen
from tests.chaos.wording import mark_in
from tests.journeys.people import segment

ASK_EVERY_S = 0.25
READ_AT_ONCE = 8
ANSWERED_WITHIN_S = 60.0
SURELY_LISTED = 20
"""Not all of so many stories can have been killed or withheld by now."""
FINAL = frozenset({200, 404, 410})
PATIENT = FINAL | {503}


@dataclass(slots=True)
class ViewReader:
    """Asks for as long as `watch` runs. `sightings` as in `History`; answers are counted by status.

    An answer may be missing for a while, but never wrong: what is known to be public is not "not found" later.
    """

    client: httpx2.AsyncClient
    ledger: Ledger
    rng: Random
    sightings: dict[tuple[str, str, str], Sighting] = field(default_factory=dict)
    digests: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """Answers nobody should have been given, by story."""
    _shown: set[str] = field(default_factory=set)

    async def watch(self) -> None:
        while True:
            await self._page(self._somebody())
            await self._list()
            await self._feed()
            await asyncio.sleep(ASK_EVERY_S)

    def _somebody(self) -> Account | None:
        """One of the newest stories, those that may not be seen now first."""
        newest = list(self.ledger.accounts.values())[-300:]
        hidden = [one for one in newest if _is_hidden(one)]
        among = hidden if hidden and self.rng.random() < 0.8 else newest
        return self.rng.choice(among) if among else None

    async def _page(self, account: Account | None) -> None:
        if account is None:
            return
        asked = time.time()
        answer = await self._get(f"/v1/stories/{segment(account.story.story_id)}")
        if answer is not None and answer.status_code == 200:
            self._note("a page", answer.json(), asked)
        elif answer is not None and answer.status_code == 404 and account.story.story_id in self._shown:
            self.wrong.append((account.story.story_id, "its page is not found after it was shown"))

    async def _list(self) -> None:
        asked = time.time()
        answer = await self._get("/v1/stories", limit=50)
        if answer is not None and answer.status_code == 200:
            items = answer.json()["items"]
            for item in items:
                self._note("the list", item, asked)
            if len(self._shown) >= SURELY_LISTED and not items:
                self.wrong.append(("-", f"the list is empty after {len(self._shown)} stories were shown"))

    async def _feed(self) -> None:
        asked = time.time()
        answer = await self._get("/feeds/latest.json")
        if answer is not None and answer.status_code == 200:
            for entry in answer.json()["items"]:
                self._sight("the feed", entry["id"], mark_in(entry["title"]), asked)

    def _note(self, where: str, item: dict[str, Any], asked: float) -> None:
        headline = (item["story"].get("headlines") or [{}])[0].get("value", "")
        self._shown.add(item["story_id"])
        self.digests[item["story_id"], item["release_no"]].add(digest_of(item))
        self._sight(where, item["story_id"], mark_in(headline), asked)

    def _sight(self, where: str, story_id: str, mark: str, asked: float) -> None:
        if not mark:
            return
        known = self.sightings.setdefault((where, story_id, mark), Sighting(time.time(), asked))
        known.last_asked = asked

    async def _get(self, path: str, **query: Any) -> httpx2.Response | None:
        try:
            answer = await self.client.get(path, params=query)
        except httpx2.TransportError:
            return None
        self.answers[answer.status_code] += 1
        if answer.status_code not in PATIENT:
            self.wrong.append(("-", f"{path} answers {answer.status_code}"))
        return answer

    async def read_all(self, story_ids: list[str]) -> dict[str, Reading]:
        """Read the page of each story once it answers for good (not 503); 0 for one that never did."""
        waiting, readings = list(story_ids), dict[str, Reading]()

        async def work() -> None:
            while waiting:
                story_id = waiting.pop()
                readings[story_id] = await self._read(story_id)

        async with asyncio.TaskGroup() as group:
            for _ in range(READ_AT_ONCE):
                group.create_task(work())
        return readings

    async def _read(self, story_id: str) -> Reading:
        deadline = time.time() + ANSWERED_WITHIN_S
        while time.time() < deadline:
            asked = time.time()
            answer = await self._get(f"/v1/stories/{segment(story_id)}")
            if answer is not None and answer.status_code in FINAL:
                if answer.status_code != 200:
                    return Reading(answer.status_code)
                return Reading(200, seen(answer.json(), time.time(), asked=asked))
            await asyncio.sleep(ASK_EVERY_S)
        return Reading(0)


def _is_hidden(account: Account) -> bool:
    """Killed, or with a text that must not be seen yet."""
    now = time.time()
    return any(one.until > now or (one.step.key in {("kill", ""), None} and one.accepted) for one in account.entries)
