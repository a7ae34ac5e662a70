"""What came over a connection? As little of it is read as is needed: nobody may take the client for the server."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.bench.gateway.stories import WORDS

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_EVENT_ID = re.compile(rb"^id: ?(\S+)\r?\n", re.MULTILINE)
_GAP = re.compile(rb"event: gap\n")
_PING = 0x89
_PONG = 0x8A
_NO_MASK = bytes(4)


class Came(NamedTuple):
    """A story that a client got: its number, when it was due and when it came (epoch µs)."""

    client: int
    number: int
    due_us: int
    at_us: int


def status_of(head: bytes) -> int:
    """The status of a response; 0 where there is none."""
    found = _STATUS.match(head)
    return int(found[1]) if found else 0


def pong_for(data: bytes) -> bytes:
    """What a client owes to a WebSocket frame that came alone: a pong to a short ping (RFC 6455, 5.5.3), else b""."""
    if len(data) < 2 or data[0] != _PING or len(data) != 2 + data[1]:
        return b""
    return bytes([_PONG, 0x80 | data[1]]) + _NO_MASK + data[2:]


@dataclass(slots=True)
class Sample:
    """One client whose stories are looked at one by one, however they are cut into pieces on their way."""

    client: int
    came: list[Came] = field(default_factory=list)
    last_id: str = ""
    gaps: int = 0
    _rest: bytes = b""

    def take(self, data: bytes, at_us: int) -> int:
        """Take the next piece, read at `at_us`; returns how many stories ended in it."""
        data = self._rest + data
        before, end = len(self.came), 0
        for found in WORDS.finditer(data):
            self.came.append(Came(self.client, int(found[2]), int(found[1]), at_us))
            end = found.end()
        for told in _EVENT_ID.finditer(data):
            self.last_id = told[1].decode()
            end = max(end, told.start())
        self.gaps += len(_GAP.findall(data, 0, end))
        self._rest = data[end:]
        return len(self.came) - before


def disorder(came: Iterable[Came]) -> int:
    """How many stories came to a client behind one that was released after them."""
    last: dict[int, int] = {}
    behind = 0
    for one in came:
        behind += one.number < last.get(one.client, -1)
        last[one.client] = max(one.number, last.get(one.client, -1))
    return behind
