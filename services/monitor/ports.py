"""What monitor needs from outside."""

from collections.abc import Mapping
from typing import Protocol

from services.monitor.lag import Reading


class LagReader(Protocol):
    """Reads what every group has committed, every partition's end, and how old the oldest waiting record is."""

    async def read(self) -> Reading:
        """Read all of it once; commits before ends, so that lag is never negative by the order of reading.

        Raises `Unreadable` when the broker does not answer.
        """


class Unreadable(Exception):
    """The broker did not answer; `str(error)` says what went wrong."""


Committed = Mapping[tuple[str, int], int]
"""What those who take a story further have committed, per (topic, partition): all before it is processed."""
