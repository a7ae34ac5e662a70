"""Which ports of this machine may a local server take?"""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel picks ports for outgoing connections, so that a port found free stays free
# until the server we start has bound it.
_CANDIDATES = range(15_000, 32_000)
_CONTROLLER_ABOVE_BROKER = 10_000


class NoFreePort(Exception):
    """No port could be bound: the machine is short of them, or binding is forbidden."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could bind `port` now; a port in TIME_WAIT counts as free, as it does for the servers."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(but_not: frozenset[int] = frozenset()) -> int:
    """Return a port nobody listens on, other than those in `but_not`; raises `NoFreePort`."""
    for port in random.sample(_CANDIDATES, k=200):
        if port not in but_not and is_free(port):
            return port
    raise NoFreePort(f"none of 200 ports between {_CANDIDATES.start} and {_CANDIDATES.stop} can be bound")


def choose_port(preferred: int, but_not: frozenset[int] = frozenset()) -> int:
    """Return `preferred` if it is free and allowed, else another free port; raises `NoFreePort`."""
    if preferred not in but_not and is_free(preferred):
        return preferred
    return free_port(but_not)


def choose_kafka_ports(preferred: int | None = None, but_not: frozenset[int] = frozenset()) -> tuple[int, int]:
    """Return the broker's port and its controller's, 10,000 above it where that is free; raises `NoFreePort`."""
    broker = free_port(but_not) if preferred is None else choose_port(preferred, but_not)
    taken = but_not | {broker}
    above = broker + _CONTROLLER_ABOVE_BROKER
    if preferred == broker and above < 65_536:
        return broker, choose_port(above, taken)
    return broker, free_port(taken)
