"""`python -m tests.bench.gateway.client`: ten thousand subscribers in one thread, at a fraction of a server's cost.

No event loop and no stream objects: epoll, one buffer, and a count of the byte that ends a story. Of a sample of the
clients every story is looked at. Orders come on stdin, see `orders`; stdout tells how many stories have come and how
many connections have ended by themselves, a few hundred times a second.
"""

import gc
import os
import select
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.bench.gateway.lines import Line
from tests.bench.gateway.orders import Orders
from tests.bench.gateway.reading import pong_for, status_of
from tests.bench.gateway.stories import MARK
from tests.bench.machine import raise_open_files

BUFFER_BYTES = 256 * 1024
AT_ONCE = 200
"""Connections being opened at any time; the backlog of any server takes them."""
TELL_EVERY_S = 0.002
MOST_EVENTS = 4096
WANTED = frozenset({101, 200})


class Client:
    """Every connection there is, by its descriptor. `last_us`: when the newest story came (epoch µs)."""

    def __init__(self) -> None:
        self.arrived = self.ended = 0
        self.last_us = 0
        self._lines: dict[int, Line] = {}
        self._poll = select.epoll()
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._to_open: Iterator[Line] = iter(())
        self._opening = 0
        self._refused: Counter[int] | None = None
        self._told = (-1, -1)
        self._told_at = 0.0

    def run(self) -> None:
        """Read whatever comes until stdin ends."""
        orders, stdin = Orders(self, say), sys.stdin.fileno()
        self._poll.register(stdin, select.EPOLLIN)
        say("answer up")
        lines, buffer, view, poll = self._lines, self._buffer, self._view, self._poll.poll
        later = (BlockingIOError, ssl.SSLWantReadError)
        while True:
            before = self.arrived
            for descriptor, _ in poll(self._until_told(), MOST_EVENTS):
                if descriptor == stdin:
                    if not orders.read(stdin):
                        return
                    continue
                line = lines.get(descriptor)
                if line is None:
                    continue  # closed by an order of this very round
                if not line.asked:
                    self._go_on(line)
                    continue
                try:
                    got = line.recv(buffer)
                except later:
                    continue
                except OSError:
                    got = 0
                if line.fast and (found := buffer.count(MARK, 0, got)):
                    line.count += found
                    self.arrived += found
                    continue
                self._take(line, bytes(view[:got]))
            if self.arrived != before:
                self.last_us = time.time_ns() // 1000
            if self._refused is not None and not self._opening:
                refused, self._refused = self._refused, None
                orders.opened(refused)
            self._tell()

    # What orders ask for

    def open(self, lines: Iterator[Line]) -> None:
        """Open these, `AT_ONCE` at a time; `Orders.opened` is told the refusals by status (0: no answer) at the end."""
        self._to_open, self._refused = lines, Counter()
        for _ in range(AT_ONCE):
            self._open_next()

    def close(self, line: Line) -> None:
        """Close a connection, if it is still there."""
        if self._lines.pop(line.descriptor, None) is line:
            line.sock.close()  # takes it off the poll as well

    def stop_reading(self, line: Line) -> None:
        """Leave everything that comes where it is, the end of the connection too."""
        self._poll.unregister(line.descriptor)

    # Opening

    def _open_next(self) -> None:
        line = next(self._to_open, None)
        if line is None:
            return
        self._opening += 1
        self._lines[line.descriptor] = line
        self._poll.register(line.descriptor, select.EPOLLOUT)

    def _go_on(self, line: Line) -> None:
        try:
            line.go_on()
        except OSError:
            self._is_open(line, 0)
            return
        if line.asked or line.shakes_hands:
            self._poll.modify(line.descriptor, select.EPOLLIN)

    def _is_open(self, line: Line, status: int) -> None:
        """The answer has come: one place is free for the next."""
        if status in WANTED:
            line.is_up()
        else:
            assert self._refused is not None
            self._refused[status] += 1
            self.close(line)
        self._opening -= 1
        self._open_next()

    # Reading what is more than a count

    def _take(self, line: Line, data: bytes) -> None:
        if not line.up:
            self._is_open(line, status_of(data))
            if not line.up:
                return
        elif not data:
            self.ended += 1
            self.close(line)
            return
        if line.sample is not None:
            found = line.sample.take(data, time.time_ns() // 1000)
        else:
            found = data.count(MARK)
            if pong := pong_for(data):
                line.sock.send(pong)
        line.count += found
        self.arrived += found
        if line.has_more():
            self._take(line, bytes(self._view[: line.recv(self._buffer)]))

    # Telling

    def _until_told(self) -> float:
        """Seconds until the counts are to be told; for ever when they are."""
        if (self.arrived, self.ended) == self._told:
            return -1
        return max(0.0, self._told_at + TELL_EVERY_S - time.monotonic())

    def _tell(self) -> None:
        now = time.monotonic()
        if (self.arrived, self.ended) != self._told and now >= self._told_at + TELL_EVERY_S:
            self._told, self._told_at = (self.arrived, self.ended), now
            say(f"count {self.arrived} {self.ended}")


def say(line: str) -> None:
    """Write one line at once."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main() -> None:
    """Serve orders until stdin ends."""
    raise_open_files()
    gc.disable()  # nothing here is in a cycle, and a collection would be taken for the server's pause
    Client().run()


if __name__ == "__main__":
    main()
