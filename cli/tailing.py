"""How is the stream followed over broken connections, so that nothing is missed and nothing shown twice?"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.api import refusal
from cli.connection import Wire
from cli.exits import Ended, Exit

if TYPE_CHECKING:
    import httpx2

Query = list[tuple[str, "str | int | float | bool | None"]]

SILENCE_S = 60.0  # heartbeats come far more often; a connection this quiet is dead
LONGEST_PAUSE_S = 15.0
FIRST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the stream. `id` is empty where one cannot resume."""

    event: str
    data: dict[str, Any]
    id: str = ""
    retry_ms: int | None = None


def frames_of(lines: Iterator[str]) -> Iterator[Frame]:
    """Read server-sent events; fields of the format we do not use are passed over."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        if fields:
            retry = fields.get("retry", [""])[-1]
            data = "\n".join(fields.get("data", []))
            yield Frame(
                fields.get("event", [""])[-1],
                json.loads(data) if data else {},
                fields.get("id", [""])[-1],
                int(retry) if retry.isdigit() else None,
            )
        fields = {}


class Cursor:
    """Where to go on, kept in a file if one is given."""

    def __init__(self, at: str | None, file: Path | None) -> None:
        self._file = file
        self.at = at or self._kept()

    def move(self, at: str) -> None:
        """Everything before `at` has been shown."""
        if not at or at == self.at:
            return
        self.at = at
        if self._file:
            beside = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            beside.write_text(at)
            beside.replace(self._file)

    def _kept(self) -> str | None:
        try:
            return (self._file.read_text().strip() or None) if self._file else None
        except FileNotFoundError:
            return None


class Follower:
    """Follows the stream until told to stop; `note` is told about the connection in words."""

    def __init__(self, wire: Wire, query: Query, cursor: Cursor, note: Callable[[str], None]) -> None:
        self._url = f"{wire.doors['gateway']}/v1/stream"
        self._key = wire.key_for("subscriber")
        self._query = query
        self._cursor = cursor
        self._note = note
        self._first_pause_s = self._pause_s = FIRST_PAUSE_S
        self._connected_once = False

    def frames(self) -> Iterator[Frame]:
        """Every frame from the cursor on, for ever. The cursor moves once the caller asks for the frame after.

        Raises `Ended` when the first connection fails, and at any time when the stream is refused.
        """
        import httpx2

        with httpx2.Client(timeout=httpx2.Timeout(10.0, read=SILENCE_S)) as client:
            while True:
                try:
                    yield from self._once(client)
                    self._note("the stream ended; connecting again")
                except httpx2.TransportError as error:
                    if not self._connected_once:
                        raise Ended(Exit.UNREACHABLE, f"{self._url} does not answer ({error}).") from None
                    self._note(f"the connection broke ({type(error).__name__}); connecting again")
                except Ended as ended:
                    if not (self._connected_once and ended.code is Exit.UNREACHABLE):
                        raise
                    self._note(str(ended))
                time.sleep(self._pause_s * random.uniform(0.5, 1.0))
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def shown(self, frame: Frame) -> None:
        """The caller is done with a frame and asks for no more."""
        self._cursor.move(frame.id)

    def _once(self, client: httpx2.Client) -> Iterator[Frame]:
        headers = {"authorization": f"Bearer {self._key}", "accept": "text/event-stream"}
        if self._cursor.at:
            headers["last-event-id"] = self._cursor.at
        with client.stream("GET", self._url, params=self._query, headers=headers) as answer:
            if not answer.is_success:
                raise refusal(answer.status_code, answer.read(), answer.headers.get("retry-after"))
            self._connected_once = True
            for frame in frames_of(answer.iter_lines()):
                if frame.retry_ms is not None:
                    self._first_pause_s = frame.retry_ms / 1000
                self._pause_s = self._first_pause_s
                if frame.event:
                    yield frame
                self._cursor.move(frame.id)


def in_a_line(frame: Frame) -> str | None:
    """One line per release, gap or hello; None for frames that tell a person nothing."""
    match frame.event:
        case "story":
            return item_in_a_line(frame.data)
        case "gap":
            told = f"{frame.data.get('from')} to {frame.data.get('to')} ({frame.data.get('reason')})"
            return f"gap       something is missing: {told}"
        case _:
            return None


def item_in_a_line(item: dict[str, Any]) -> str:
    """Time, kind, lane, id, release and headline of an Item; a notice has no headline."""
    story = item.get("story") or {}
    headlines = story.get("headlines") or [{}]
    headline = headlines[0].get("value") or item.get("notice") or "(notice)"
    return (
        f"{str(item.get('released_at', ''))[11:19]}  {item.get('kind', ''):<8} {item.get('lane', ''):<7}  "
        f"{item.get('story_id')}  r{item.get('release_no')}  {headline}"
    )
