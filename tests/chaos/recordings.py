"""What was seen of the wire from outside? One small record per arrival, so that an hour of them fits in memory."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.chaos.plan import Key
from tests.chaos.wording import mark_in

_CONTENT = frozenset({"publish", "update", "correct", "refile"})
_APART = frozenset({"seq", "stage_times"})
"""Of an Item: its place in the log and the times of its way; not content."""
ANSWER_S = 3.0
"""How long an answer of a poll is under way at most, with a backlog in it and the machine busy."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One release as it came to one subscriber or was read in one view; times in epoch seconds.

    `asked`: when the answer that brought it was asked for; 0.0 where it is sent unasked. `status`: what the receiver
    answered.
    """

    story_id: str
    release_no: int
    kind: str
    mark: str
    at: float
    digest: str = ""
    webhook_id: str = ""
    status: int = 200
    asked: float = 0.0

    @property
    def key(self) -> Key:
        """How the plan knows it."""
        if self.kind in _CONTENT:
            return ("text", self.mark)
        return (self.kind, "" if self.is_notice else self.mark)

    @property
    def is_notice(self) -> bool:
        return self.kind in {"kill", "withhold"}

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def surely_shown_at(self) -> float:
        """The earliest that it may have left: a long answer is made whole before its first byte is on its way."""
        return max(self.asked, self.at - ANSWER_S) if self.asked else self.at


def seen(item: Mapping[str, Any], at: float, *, webhook_id: str = "", status: int = 200, asked: float = 0.0) -> Seen:
    """Return what is kept of an Item."""
    headlines = item["story"].get("headlines") or [{}]
    mark = mark_in(str(headlines[0].get("value", "")))
    digest = digest_of(item)
    return Seen(item["story_id"], item["release_no"], item["kind"], mark, at, digest, webhook_id, status, asked)


def digest_of(item: Mapping[str, Any]) -> str:
    """A short hash of what an Item says; equal for the same release in every channel."""
    content = {name: value for name, value in item.items() if name not in _APART}
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Manner:
    """How an endpoint behaves. `refuses`: the share of deliveries refused, with 500, 503 or 429, at most `most` times.

    `away`: when nobody listens there, in seconds after the start; `dead`: nobody ever does. `rate`: how many a second
    its owner asked for at most, 0.0 for all.
    """

    slow_s: float = 0.0
    refuses: float = 0.0
    most: int = 2
    away: tuple[tuple[float, float], ...] = ()
    dead: bool = False
    rate: float = 0.0

    @property
    def healthy(self) -> bool:
        return not (self.slow_s or self.refuses or self.away or self.dead or self.rate)


@dataclass(slots=True)
class Listener:
    """One who is owed releases, and all that came: an endpoint (`latest` or `every`), or a reader of the stream."""

    name: str
    channel: Literal["webhook", "stream", "poll"]
    ordering: Literal["latest", "every"]
    wanted: Mapping[str, Any]
    manner: Manner = Manner()
    endpoint_id: str = ""
    came: list[Seen] = field(default_factory=list)
    unverified: int = 0
    reconnects: int = 0
    gaps: list[str] = field(default_factory=list)

    @property
    def is_endpoint(self) -> bool:
        return self.channel == "webhook"


@dataclass(frozen=True, slots=True)
class Window:
    """A fault: what was done to whom, from when until all was healthy again (epoch seconds)."""

    kind: str
    whom: str
    begin: float
    end: float


def overlaps(windows: list[Window], begin: float, end: float) -> bool:
    """Tell whether any fault was going on between two moments."""
    return any(window.begin <= end and begin <= window.end for window in windows)
