"""Who did what? The newest entries of the audit that are asked for."""

import heapq
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.platform.records import Record


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries are asked for; what is None does not matter. `about`: a story's id, a key's, a letter's place."""

    actor: str | None = None
    about: str | None = None
    action: str | None = None
    since: datetime | None = None

    def holds(self, line: "Line") -> bool:
        return (
            self.actor in (None, line.actor)
            and self.about in (None, line.object)
            and self.action in (None, line.action)
            and (self.since is None or line.at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One entry, and where it lies."""

    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    writer: str
    n: int
    partition: int
    offset: int


class NewestLines:
    """Keeps the newest `limit` entries that are asked for, each once, in whatever order they come."""

    def __init__(self, asked: Asked, limit: int) -> None:
        self._asked = asked
        self._limit = limit
        self._kept: list[tuple[datetime, str, int]] = []
        self._lines: dict[tuple[str, int], Line] = {}

    def apply(self, record: Record) -> None:
        """Take one record of the audit; what is no entry is passed over: `verify` names it."""
        line = line_of(record)
        if line is None or not self._asked.holds(line) or (line.writer, line.n) in self._lines:
            return
        self._lines[line.writer, line.n] = line
        heapq.heappush(self._kept, (line.at, line.writer, line.n))
        if len(self._kept) > self._limit:
            _, writer, n = heapq.heappop(self._kept)
            del self._lines[writer, n]

    def newest_first(self) -> list[Line]:
        return [self._lines[writer, n] for _, writer, n in sorted(self._kept, reverse=True)]


def line_of(record: Record) -> Line | None:
    """Read an entry; None for what is none."""
    try:
        told = json.loads(record.value or b"")
        return Line(
            at=datetime.fromisoformat(told["at"]),
            actor=str(told["actor"]),
            action=str(told["action"]),
            object=str(told["object"]),
            detail=dict(told["detail"]),
            writer=str(told["writer"]),
            n=int(told["n"]),
            partition=record.partition,
            offset=record.offset,
        )
    except (ValueError, KeyError, TypeError):
        return None
