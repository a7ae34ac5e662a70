"""What may one attempt cost, in time, in bytes and in connections kept?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budgets:
    """What one attempt may cost: seconds, and bytes of the answer; and what may be kept for the next."""

    total: float = 15.0
    connect: float = 3.0
    lookup: float = 5.0  # cut by `connect`; for callers that resolve at leisure
    keep_alive: float = 60.0
    max_age: float = 300.0  # a kept connection outlives a change of its name's address: not for ever
    kept: int = 4096  # connections that lie idle, all endpoints together
    head: int = 64 * 1024  # with the interim answers before it
    line: int = 8190
    body: int = 64 * 1024
    excerpt: int = 1024


DEFAULT = Budgets()
