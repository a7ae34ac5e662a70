"""What do the handlers need from whatever puts bytes on the network?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from services.distribution.outcome import Outcome, Timing

Gate: TypeAlias = Callable[[], bool]


def always_open() -> bool:
    """The gate of what no kill can stop: challenges, test events, operational events."""
    return True


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One POST. `headers` are complete but for those of the transport (host, length, accept-encoding).

    `client_certificate` is what the sender shows to a receiver that asks for one: PEM, its chain and key included.
    """

    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    client_certificate: bytes | None = field(default=None, repr=False)


class Answer(NamedTuple):
    """What came of one POST; `excerpt` is the first KiB of the answer's body as text, for its owner only.

    A tuple for the same reason as `Timing`.
    """

    outcome: Outcome
    timing: Timing
    excerpt: str = ""
    resent: bool = False


class Sender(Protocol):
    """The network as the handlers see it."""

    async def send(self, request: SendRequest, gate: Gate = always_open) -> Answer:
        """POST once and say what came of it.

        `gate` is asked synchronously at the moment of writing to the socket, after any wait for a name, a
        connection or a handshake. A reused connection that died before the first byte of an answer is
        repeated once, at once, through the gate again, and still counts as one attempt. Whatever a receiver
        does is a value; only cancellation and programming errors are raised.
        """
        ...

    async def close(self) -> None:
        """Close every connection; exchanges in hand end as `Unreachable`."""
        ...
