"""When is an endpoint disabled that never succeeds, and how far is it on the way there? Pure."""

from datetime import datetime, timedelta
from typing import Final

DISABLED_AFTER: Final = timedelta(hours=72)
"""Without one success; by then the oldest of what it was owed has had its whole schedule."""

TOLD_AT: Final = (25, 50, 75, 100)
"""Percentages of that time at which its owner is told."""


def percent_told(failing_since: datetime | None, now: datetime) -> int:
    """Return the newest percentage that the owner is to know of; 0 before the first, 100 when it is disabled."""
    if failing_since is None:
        return 0
    passed = 100 * ((now - failing_since) / DISABLED_AFTER)
    return max((each for each in TOLD_AT if each <= passed), default=0)
