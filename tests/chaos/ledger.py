"""What was the driver promised, and what did receivers get? Its own books, kept outside the wire."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.journeys.people import Accepted, Desk
from tests.journeys.texts import a_story, a_uri
from tests.receivers.recording import Recorded
from tests.waiting import wait_until

TAKEN_WITHIN_S = 90.0
AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """One story to be filed: its versions in order, the last one perhaps as a flash."""

    story_id: str
    versions: tuple[dict[str, Any], ...]

    @property
    def has_flash(self) -> bool:
        return any(version.get("urgency") == 1 for version in self.versions)


def plans(stories: int, versions: int, flash_every: int) -> list[Plan]:
    """Plan stories of a provider that numbers its versions; in every `flash_every`-th the last one is a flash."""
    return [_plan(versions, flash=number % flash_every == 0) for number in range(stories)]


def _plan(versions: int, *, flash: bool) -> Plan:
    story_id = a_uri()
    texts = [a_story(story_id, version=number) for number in range(1, versions + 1)]
    if flash:
        texts[-1] = texts[-1] | {"urgency": 1}
    return Plan(story_id, tuple(texts))


@dataclass(slots=True)
class Ledger:
    """Every 202 the desk was given, by story, in the order of filing."""

    promised: dict[str, list[Accepted]] = field(default_factory=lambda: defaultdict(list))

    def __len__(self) -> int:
        return sum(map(len, self.promised.values()))

    async def file(self, desk: Desk, batch: Iterable[Plan]) -> None:
        """File stories side by side, the versions of one after another; a request without an answer is repeated."""
        waiting = list(reversed(list(batch)))

        async def work() -> None:
            while waiting:
                plan = waiting.pop()
                for text in plan.versions:
                    self.promised[plan.story_id].append(await _until_taken(desk, text))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())


async def _until_taken(desk: Desk, text: Mapping[str, Any]) -> Accepted:
    async def taken() -> Accepted | bool:
        try:
            answer = await desk.post(text)
        except httpx2.TransportError:
            return False
        if answer.status_code >= 500 or answer.status_code == 429:
            return False
        assert answer.status_code in {200, 202}, answer.text
        told = answer.json()
        return Accepted(told["event_id"], told["story_id"], told["version"], told["lane"], told["kind"], told)

    accepted = await wait_until(taken, TAKEN_WITHIN_S, every=0.05, message=f"{text['uri']} is taken")
    assert isinstance(accepted, Accepted)
    return accepted


def in_order_of_arrival(webhooks: Iterable[Recorded]) -> dict[str, list[int]]:
    """Releases received per story, each `webhook-id` counted at its first arrival only."""
    seen: dict[str, tuple[str, int]] = {}
    got: dict[str, list[int]] = defaultdict(list)
    for webhook in webhooks:
        what = (webhook.data["story_id"], webhook.data["release_no"])
        if webhook.webhook_id not in seen:
            got[what[0]].append(what[1])
        assert seen.setdefault(webhook.webhook_id, what) == what, "one webhook-id for two releases"
    return got


def out_of_order(got: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Stories of which an older release came after a newer one."""
    return {story_id: releases for story_id, releases in got.items() if releases != sorted(set(releases))}
