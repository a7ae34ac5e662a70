"""Did the delivery engine do what was asked of it: replays to their end, rates kept, dead endpoints left alone?"""

from collections import deque
from collections.abc import Iterator

from tests.chaos.history import History, Violation
from tests.chaos.recordings import Listener

WINDOW_S = 10.0
SHARE = 1.05
CLUMP = 4
"""What a bucket holds, a worker has in hand, and a busy machine delivers late, in one window."""
PER_FAULT = 3
"""Tokens that a process takes along when it dies, or Redis forgets."""
LEFT_ALONE = frozenset({"open", "half_open"})


def judge_engine(history: History) -> Iterator[Violation]:
    """Yield every replay that did not end, every rate that was exceeded, every dead endpoint that is still sent to."""
    for replayed in history.replays:
        if replayed.state != "done":
            yield Violation("replay", "-", replayed.name, f"it was asked for and is {replayed.state or 'unheard'}")
    for listener in history.listeners:
        if listener.manner.rate:
            yield from _too_fast(history, listener)
        if listener.manner.dead and listener.name in history.left_alone:
            state = history.left_alone[listener.name]
            if state not in LEFT_ALONE:
                yield Violation("breaker", "-", listener.name, f"nobody ever answered there, and it is {state}")


def _too_fast(history: History, listener: Listener) -> Iterator[Violation]:
    """The worst window of ten seconds, if it had more than its share."""
    rate = listener.manner.rate
    lately: deque[float] = deque()
    worst, worst_at, allowed_then = 0.0, 0.0, 0.0
    for at in sorted(one.at for one in listener.came):
        lately.append(at)
        while lately[0] <= at - WINDOW_S:
            lately.popleft()
        faults = sum(one.begin <= at and at - WINDOW_S <= one.end for one in history.windows)
        allowed = WINDOW_S * rate * SHARE + CLUMP + PER_FAULT * faults
        if len(lately) - allowed > worst:
            worst, worst_at, allowed_then = len(lately) - allowed, at, allowed
    if worst:
        came = f"{allowed_then + worst:.0f} came within {WINDOW_S:g} s until {worst_at:.1f}"
        yield Violation("rate", "-", listener.name, f"{came}; at {rate:g} a second {allowed_then:.1f} may")
