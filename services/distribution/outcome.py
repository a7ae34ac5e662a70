"""What became of one attempt to deliver, as values that can be recorded and decided on.

A subscriber's 500 or a dead host is not an error of ours: it is a value that `retry.after_failure` reads.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple, TypeAlias

Trouble: TypeAlias = Literal[
    "dns",  # the name did not resolve
    "connect",  # nothing accepted the connection
    "tls",  # the handshake failed or the certificate is not for this name
    "timeout",  # the time for connecting or for the whole exchange ran out
    "reset",  # the connection died before an answer began
    "truncated",  # the connection died inside the answer
    "refused_address",  # an address rule forbids it; nothing was sent
    "protocol",  # what came back is not HTTP, or is too much of it
]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A whole 2xx answer arrived in time (or its first 64 KiB, after which we stopped listening)."""

    status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver answered with anything but 2xx; `retry_after` is the wait it asked for, if any."""

    status: int
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No whole answer. `detail` is a sentence for the endpoint's owner, without URL or secret."""

    kind: Trouble
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GateShut:
    """The send gate shut while the connection was made: nothing was written, and this is no attempt."""


Failure: TypeAlias = Refused | Unreachable
Outcome: TypeAlias = Delivered | Failure | GateShut


class Timing(NamedTuple):
    """Where the time of one attempt went, in milliseconds; None for a step that did not happen or end.

    On a reused connection there is no `dns`, `connect` or `tls`. `first_byte` runs from the moment of
    writing to the first byte of the answer, `total` over everything including a resend. A tuple, for one is
    made of every delivery: a frozen dataclass takes five times as long.
    """

    total: float
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None


def name_of(outcome: Outcome) -> str:
    """Return the one word (or status) under which an outcome is counted and shown."""
    match outcome:
        case Delivered(status) | Refused(status):
            return str(status)
        case Unreachable(kind):
            return kind
        case GateShut():
            return "gate_shut"
