"""Who asks for everything once more in the midst of a run, and what came of it?"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2

from tests.chaos.recordings import Listener

AGAIN_AFTER_S = 0.5
OVER = frozenset({"done", "cancelled", "failed"})


@dataclass(slots=True)
class Replayed:
    """One replay, asked for `at_s` after the run began, of the `back_s` seconds before; times in epoch seconds.

    `state` and `sent` as the product tells them at last.
    """

    name: str
    at_s: float
    back_s: float
    asked_at: float = 0.0
    ended_at: float = 0.0
    state: str = ""
    sent: int = 0

    def explains(self, name: str, at: float) -> bool:
        """Whether what came to a listener at a moment may have been sent again for it."""
        return self.name == name and 0.0 < self.asked_at <= at and (self.ended_at == 0.0 or at <= self.ended_at)


async def ask_again(
    client: httpx2.AsyncClient, listener: Listener, replayed: Replayed, begun: float, patience_s: float
) -> None:
    """Ask when it is time, as often as it takes to be heard, and wait until it is over, at most `patience_s`."""
    await asyncio.sleep(begun + replayed.at_s - time.time())
    path = f"/v1/endpoints/{listener.endpoint_id}/replays"
    since = datetime.fromtimestamp(time.time() - replayed.back_s, UTC).isoformat()
    replayed.asked_at = time.time()
    replay_id = ""
    deadline = time.time() + patience_s
    while replayed.state not in OVER and time.time() < deadline:
        told = await _told(client, f"{path}/{replay_id}") if replay_id else await _told(client, path, since)
        if told is not None:
            replay_id, replayed.state, replayed.sent = told["replay_id"], told["state"], told["sent"]
        if replayed.state not in OVER:
            await asyncio.sleep(AGAIN_AFTER_S)
    if replayed.state in OVER:
        replayed.ended_at = time.time()


async def _told(client: httpx2.AsyncClient, path: str, since: str = "") -> dict[str, Any] | None:
    """What the product says of the replay; None when it does not answer, or cannot for the moment.

    A request whose answer was lost may have been heard: then there is one already, and that is ours.
    """
    try:
        answer = await client.post(path, json={"since": since}) if since else await client.get(path)
        goes_on = answer.status_code == 409
        if goes_on:
            answer = await client.get(path)
    except httpx2.TransportError:
        return None
    if answer.status_code not in {200, 202}:
        return None
    told: dict[str, Any] = answer.json()
    return next(iter(told["items"]), None) if goes_on else told
