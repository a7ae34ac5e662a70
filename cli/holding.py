"""What does a receiver hold after all it was sent? The newest release of each story, and nothing of a dead one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

REMEMBERED = 10_000

State = Literal["live", "withheld", "killed"]
Effect = Literal["new", "again", "older", "none"]
"""Acted on; its `webhook-id` came before; passed over for a newer release or a kill; no story at all."""

_STATES: dict[str, State] = {"story.withhold": "withheld", "story.kill": "killed"}


@dataclass(frozen=True, slots=True)
class Held:
    """One story: the release that counts, what it makes of the story, and how often something was done for it."""

    release_no: int
    state: State
    acted: int


class Holdings:
    """The three rules every receiver needs: an id counts once, the highest `release_no` wins, dead stays dead.

    Safe from several threads; remembers so many ids and stories, the oldest go first.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._stories: OrderedDict[str, Held] = OrderedDict()
        self._turn = threading.Lock()

    def take(self, webhook_id: str, message: dict[str, Any]) -> Effect:
        """Take one verified message and say what it led to."""
        kind, data = str(message.get("type", "")), message.get("data") or {}
        with self._turn:
            if webhook_id in self._ids:
                return "again"
            _remember(self._ids, webhook_id, None, self._remembered)
            story_id, release_no = data.get("story_id"), data.get("release_no")
            if not kind.startswith("story.") or not isinstance(story_id, str) or not isinstance(release_no, int):
                return "none"
            before = self._stories.get(story_id, Held(0, "live", 0))
            if before.state == "killed" or (release_no <= before.release_no and kind != "story.kill"):
                return "older"
            held = Held(max(release_no, before.release_no), _STATES.get(kind, "live"), before.acted + 1)
            _remember(self._stories, story_id, held, self._remembered)
            return "new"

    def of(self, story_id: str) -> Held | None:
        with self._turn:
            return self._stories.get(story_id)


def _remember(known: OrderedDict[str, Any], key: str, value: object, at_most: int) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > at_most:
        known.popitem(last=False)
