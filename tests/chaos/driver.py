"""How are planned stories told to a wire that may be down at any moment? Every request until it is answered."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2

from tests.chaos.books import Account, Entry, Ledger
from tests.chaos.plan import Story
from tests.chaos.wording import body, headline, item
from tests.journeys.people import segment

ANSWERED_WITHIN_S = 150.0
SETTLED_WITHIN_S = 150.0
ASK_EVERY_S = 0.1
AGAIN_AFTER_S = 0.25
DONE = frozenset({200, 202})
SOON = frozenset({429, 502, 503, 504})
CREATED = "2026-11-24T08:00:00+00:00"


class GaveUp(Exception):
    """A story cannot be told to its end; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Open clients by who holds the key: desks file, editors decide."""

    ingest: list[httpx2.AsyncClient]
    gateway: list[httpx2.AsyncClient]
    editors: list[httpx2.AsyncClient]


class Driver:
    """Tells stories at their times; `ledger` holds what came of each request."""

    def __init__(self, doors: Doors, ledger: Ledger) -> None:
        self._doors = doors
        self.ledger = ledger

    async def tell(self, stories: Iterable[Story]) -> None:
        """Begin every story at its time, whatever the ones before are waiting for; return when all are told."""
        begun = self.ledger.begun = time.time()
        async with asyncio.TaskGroup() as group:
            for story in stories:
                await asyncio.sleep(begun + story.at_s - time.time())
                group.create_task(self._tell(self.ledger.open(story)))

    async def _tell(self, account: Account) -> None:
        try:
            for number, entry in enumerate(account.entries):
                if entry.step.pause_s:
                    await asyncio.sleep(entry.step.pause_s)
                await self._take(account, number, entry)
                if entry.step.settle:
                    await self._until_settled(entry)
        except GaveUp as error:
            account.broken = str(error)

    async def _take(self, account: Account, number: int, entry: Entry) -> None:
        entry.asked_at = time.time()
        if entry.step.embargo_s is not None:
            entry.until = round(entry.asked_at + entry.step.embargo_s, 3)
        if entry.step.act in {"file", "correct"}:
            answer = await self._ask(entry, lambda: self._file(account, number, entry))
        elif entry.step.act == "confirm":
            await self._until_needed(account.entries[number - 1])
            decision_id = account.entries[number - 1].decision_id
            answer = await self._ask(entry, lambda: self._confirm(account, number, decision_id))
        else:
            answer = await self._ask(entry, lambda: self._decide(account, number, entry))
        entry.answered_at, entry.status = time.time(), answer.status_code
        if entry.accepted:
            told = answer.json()
            entry.event_id = told["event_id"]
            entry.decision_id = told.get("decision_id", "")
            entry.lane = told.get("lane", "flash")
            entry.twice = bool(told.get("duplicate"))
        elif not (answer.status_code == 422 and "invalid" in entry.step.ends):
            raise GaveUp(f"step {number} ({entry.step.act}): {answer.status_code} {answer.text[:300]}")

    async def _ask(self, entry: Entry, request: Any) -> httpx2.Response:
        """Send the same request with the same key until it is answered; raises GaveUp."""
        give_up_at = time.time() + ANSWERED_WITHIN_S
        while True:
            entry.tries += 1
            try:
                answer: httpx2.Response = await request()
            except httpx2.TransportError as error:
                why, wait = type(error).__name__, AGAIN_AFTER_S
            else:
                if answer.status_code not in SOON:
                    return answer
                why, wait = str(answer.status_code), _asked_wait(answer)
            self.ledger.repeats[why] += 1
            if time.time() > give_up_at:
                raise GaveUp(f"{entry.step.act}: no answer within {ANSWERED_WITHIN_S:g} s, last {why}")
            await asyncio.sleep(wait)

    async def _file(self, account: Account, number: int, entry: Entry) -> httpx2.Response:
        story, step = account.story, entry.step
        door = self._doors.ingest[story.desk % len(self._doors.ingest)]
        headers = {"content-type": "application/json", "idempotency-key": _key(story, number)}
        if step.act == "correct":
            value = [{"value": headline(step.mark, story.topic)}]
            asked = {"note": "the name was wrong", "fields": ["/headlines/0/value"], "story": {"headlines": value}}
            path = f"/v1/intake/stories/{segment(story.story_id)}/corrections"
            return await door.post(path, content=json.dumps(asked).encode(), headers=headers)
        query = {"source": story.source, "urgency": str(step.urgency)}
        query |= {"kind": step.kind} if step.kind else {}
        query |= {"embargo_until": _rfc3339(entry.until)} if entry.until else {}
        content = json.dumps(text_of(story, number)).encode()
        return await door.post("/v1/intake/stories", content=content, headers=headers, params=query)

    async def _decide(self, account: Account, number: int, entry: Entry) -> httpx2.Response:
        story, step = account.story, entry.step
        if step.act == "kill" and not step.break_glass:
            who = self._doors.gateway[story.desk % len(self._doors.gateway)]
        else:
            who = self._doors.editors[story.desk % len(self._doors.editors)]
        asked: dict[str, Any] = {}
        if step.act == "kill":
            asked = {"reason": "it is not true", "break_glass": step.break_glass}
        elif step.act != "withhold" and step.version:
            asked = {"version": step.version}
        if step.act == "embargo":
            asked |= {"embargo_until": _rfc3339(entry.until)}
        path = f"/v1/desk/stories/{segment(story.story_id)}/{step.act}"
        return await who.post(path, json=asked, headers={"idempotency-key": _key(story, number)})

    async def _confirm(self, account: Account, number: int, decision_id: str) -> httpx2.Response:
        editor = self._doors.editors[(account.story.desk + 1) % len(self._doors.editors)]
        headers = {"idempotency-key": _key(account.story, number)}
        return await editor.post(f"/v1/desk/decisions/{decision_id}/confirm", headers=headers)

    async def _until_needed(self, asked: Entry) -> None:
        """Wait until a kill waits for its second person."""
        deadline = time.time() + SETTLED_WITHIN_S
        while time.time() < deadline:
            told = await self._told(f"/v1/desk/decisions/{asked.decision_id}")
            if told.get("state") == "needs_second_person":
                return
            await asyncio.sleep(ASK_EVERY_S)
        raise GaveUp("the kill never came to wait for its second person")

    async def _until_settled(self, entry: Entry) -> None:
        deadline = time.time() + SETTLED_WITHIN_S
        while time.time() < deadline:
            told = await self._told(f"/v1/desk/receipts/{entry.event_id}")
            if told.get("state", "received") != "received":
                entry.settled_at, entry.settled = time.time(), told["state"]
                return
            await asyncio.sleep(ASK_EVERY_S)
        raise GaveUp(f"{entry.step.act}: no receipt within {SETTLED_WITHIN_S:g} s")

    async def _told(self, path: str) -> Mapping[str, Any]:
        """Return a 200 of the gateway, else nothing: it may be away, or not have heard of it yet."""
        try:
            answer = await self._doors.editors[0].get(path)
        except httpx2.TransportError:
            return {}
        told: Mapping[str, Any] = answer.json() if answer.status_code == 200 else {}
        return told


def text_of(story: Story, number: int) -> dict[str, Any]:
    """The body that is filed as a step; made anew from the plan at each request, always the same."""
    step = story.steps[number]
    text_no = number if step.again is None else step.again
    mark = story.steps[text_no].mark
    text = body(Random(f"{story.seed} {text_no}"), mark, story.topic, held=story.steps[text_no].held)
    filed = item(story.story_id, mark, story.topic, text, step.version, CREATED)
    return filed if "invalid" not in step.ends else {**filed, "headlines": "not a list", "pubStatus": "never heard of"}


def _key(story: Story, number: int) -> str:
    return f"{story.story_id}/{number}"


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _asked_wait(answer: httpx2.Response) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), 2.0) if asked.isdigit() else AGAIN_AFTER_S
