"""`python -m tests.bench.gateway.asker`: GETs over keep-alive connections, at a set rate or one after the other.

One thread, epoll, and no more of an answer is read than its status and its length. At a rate each GET is due at its own
time and its latency counts from then, whether a connection was free or not. Prints one line of JSON, see `Asked`.
"""

import argparse
import json
import re
import select
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

BUFFER_BYTES = 1024 * 1024
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Talk:
    """One connection: at most one GET is on its way. `due_ns` is when that was due, 0 while there is none."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address)
        self.sock.setblocking(False)
        self.due_ns = 0
        self._came = bytearray()

    def ask(self, head: bytes, due_ns: int) -> None:
        self.due_ns = due_ns
        self.sock.sendall(head)

    def take(self, data: memoryview) -> int:
        """Take what came; the status once the answer is whole, else 0. Raises ConnectionError at its end."""
        if not data:
            raise ConnectionError("the server closed a connection that was to be kept")
        self._came += data
        head = _HEAD.match(self._came)
        if head is None:
            return 0
        length = _LENGTH.search(self._came, 0, head.end())
        if len(self._came) < head.end() + (int(length[1]) if length else 0):
            return 0
        status = int(head[1])
        self._came.clear()  # what was found in it goes with it
        return status


def ask(
    address: tuple[str, int], heads: Sequence[bytes], talks: int, per_s: float, seconds: float
) -> tuple[Counter[int], list[float]]:
    """Ask for `seconds`, `per_s` 0: as fast as answers come; returns answers by status, and milliseconds of each."""
    with ExitStack() as opened:
        poll, lines = opened.enter_context(select.epoll()), {}
        for talk in (Talk(address) for _ in range(talks)):
            opened.callback(talk.sock.close)
            poll.register(talk.sock, select.EPOLLIN)
            lines[talk.sock.fileno()] = talk
        return _talk(poll, lines, heads, per_s, seconds)


def _talk(
    poll: select.epoll, open_talks: Mapping[int, Talk], heads: Sequence[bytes], per_s: float, seconds: float
) -> tuple[Counter[int], list[float]]:
    statuses, late = Counter[int](), list[float]()
    buffer = bytearray(BUFFER_BYTES)
    view = memoryview(buffer)
    free = deque(open_talks.values())
    every, began = (1e9 / per_s if per_s else 0.0), time.monotonic_ns()
    asked, ends = 0, began + int(seconds * 1e9)
    while (now := time.monotonic_ns()) < ends or len(free) < len(open_talks):
        while free and now < ends and (not every or began + asked * every <= now):
            free.popleft().ask(heads[asked % len(heads)], int(began + asked * every) if every else now)
            asked += 1
        wait = (began + asked * every - now) / 1e9 if every and free and now < ends else 1.0
        for descriptor, _ in poll.poll(max(0.0, min(wait, 1.0))):
            talk = open_talks[descriptor]
            if status := talk.take(view[: talk.sock.recv_into(buffer)]):
                statuses[status] += 1
                late.append((time.monotonic_ns() - talk.due_ns) / 1e6)
                free.append(talk)
    return statuses, late


def main() -> None:
    """Read what to ask from the command line, and tell what came."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway.asker")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--heads", type=Path, required=True, help="a JSON list: heads to be sent in turn")
    parser.add_argument("--talks", type=int, required=True, help="connections")
    parser.add_argument("--per-s", type=float, default=0.0, help="GETs a second; 0: as fast as they are answered")
    parser.add_argument("--seconds", type=float, required=True)
    told = parser.parse_args()
    heads = [head.encode() for head in json.loads(told.heads.read_text())]
    began, used = time.monotonic(), time.process_time()
    statuses, late = ask((told.host, told.port), heads, told.talks, told.per_s, told.seconds)
    took, used = time.monotonic() - began, time.process_time() - used
    sys.stdout.write(json.dumps({"statuses": statuses, "seconds": took, "share": used / took, "late": late}) + "\n")


if __name__ == "__main__":
    main()
