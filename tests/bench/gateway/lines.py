"""One connection of a load client: opened without waiting, then read into one buffer that all connections share."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from tests.bench.gateway.reading import Sample

PORTS_OF_ONE = 20_000
"""Connections from one loopback address before the next one is used: the kernel has some 28,000 ports for each."""
_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT of linux/in.h: the port is chosen when it connects


class Line:
    """A client's side of a connection. `recv` fills a buffer and returns how many bytes came; 0 is the end.

    `asked` once its request is on its way, `up` once the response's head has come and was the one that was wanted;
    `sample` where its stories are looked at, None where they are only counted; `fast` where that is all.
    """

    __slots__ = (
        "_head",
        "_tls",
        "asked",
        "count",
        "descriptor",
        "fast",
        "recv",
        "sample",
        "shakes_hands",
        "sock",
        "up",
    )

    def __init__(
        self,
        sock: socket.socket,
        head: bytes,
        sample: Sample | None,
        tls: tuple[ssl.SSLContext, str] | None,
    ) -> None:
        """`tls`: with which context, and by which name the server is known; None speaks plainly."""
        self.sock = sock
        self.descriptor = sock.fileno()
        self.sample = sample
        self.count = 0
        self.asked = self.up = self.fast = self.shakes_hands = False
        self.recv: Callable[[bytearray], int] = sock.recv_into
        self._head = head
        self._tls = tls

    def go_on(self) -> None:
        """Take the next step of opening, once the socket was writable: `asked` at the end. Raises OSError."""
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if self._tls is not None:
                self._shake_hands(*self._tls)
            self.sock.send(self._head)
            self.asked = True

    def is_up(self) -> None:
        """The head has come, and was the one that was wanted."""
        self.up = True
        self.fast = self.sample is None and self._tls is None

    def has_more(self) -> bool:
        """Whether more was read from the kernel than was taken: nobody will tell of it."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def _shake_hands(self, context: ssl.SSLContext, name: str) -> None:
        if not isinstance(self.sock, ssl.SSLSocket):
            self.sock = context.wrap_socket(self.sock, server_hostname=name, do_handshake_on_connect=False)
            self.recv = self.sock.recv_into
            self.shakes_hands = True
        self.sock.do_handshake()


def connecting(address: tuple[str, int], source: str, receive_buffer: int) -> socket.socket:
    """A socket that is connecting; what becomes of it is known once it is writable. `receive_buffer` 0: as it is."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.bind((source, 0))
    sock.connect_ex(address)
    return sock


def source_of(number: int) -> str:
    """The loopback address from which the `number`-th connection of a process is made."""
    return f"127.0.0.{2 + number // PORTS_OF_ONE % 250}"
