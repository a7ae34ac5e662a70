"""Where can a tester make a process die, stop, wait or fail? At points that do nothing unless a file arms them.

A tester writes `<WIRE_FAILPOINTS>/<process>` before the process starts; it is read once and removed, so that the
next life of the process is an ordinary one. Each line is `POINT N ACTION`: at the N-th passing of POINT, do ACTION.
"""

import asyncio
import os
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path

from shared.domain.errors import Misconfigured
from shared.platform.topics import Topic

LOOK_EVERY_S = 0.02

POINTS = frozenset(
    [f"publish.{topic}.{when}" for topic in Topic for when in ("before", "after")]
    + [f"commit.{topic}.{when}" for topic in Topic for when in ("before", "after")]
    + [f"handle.{topic}.before" for topic in Topic]
    + ["post.before", "post.sent", "post.after"]
)
"""`publish`: a record, `after` once it is confirmed. `commit`: a reader's offsets of the topic. `handle`: a record, by
whoever reads it. `post`: a webhook, about to be written; written, its answer not read; its outcome known and nowhere
recorded."""


class Action(StrEnum):
    """What happens at a point."""

    KILL = "kill"  # SIGKILL to this process
    STOP = "stop"  # SIGSTOP; the tester sends SIGCONT
    HOLD = "hold"  # the step waits until the tester makes `<process>.go`; the rest of the process goes on
    FAIL = "fail"  # the step fails as when the other side refuses it


class Failpoints:
    """What one life of a process is to suffer, and where.

    Before it acts it puts the point into `<process>.hit`, for the tester to wait for; `hold` removes the `.go` that
    ended it.
    """

    def __init__(self, folder: Path, process: str, orders: Mapping[str, Mapping[int, Action]]) -> None:
        self._hit = folder / f"{process}.hit"
        self._go = folder / f"{process}.go"
        self._orders = orders
        self._passed: Counter[str] = Counter()
        self._turns: defaultdict[Topic, asyncio.Lock] = defaultdict(asyncio.Lock)

    def armed(self, point: str) -> bool:
        """Whether anything is to happen there in this life."""
        return point in self._orders

    async def passing(self, point: str, refusal: Callable[[str], Exception]) -> None:
        """The process is at `point`. Raises what `refusal` makes of a sentence when it is to fail there."""
        if point not in self._orders:
            return
        self._passed[point] += 1
        action = self._orders[point].get(self._passed[point])
        if action is None:
            return
        self._say(point)
        match action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.HOLD:
                while not self._go.exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(LOOK_EVERY_S)
                self._go.unlink()
            case Action.FAIL:
                raise refusal(f"refused at the failpoint {point}")

    async def before_publishing(self, topics: Sequence[Topic], refusal: Callable[[str], Exception]) -> None:
        """Records for these topics are about to be sent; while one is held, none overtakes it on its topic."""
        async with AsyncExitStack() as turns:
            for topic in sorted(set(topics)):
                await turns.enter_async_context(self._turns[topic])
            for topic in topics:
                await self.passing(f"publish.{topic}.before", refusal)

    async def after_publishing(self, topics: Sequence[Topic], refusal: Callable[[str], Exception]) -> None:
        """Records for these topics are confirmed."""
        for topic in topics:
            await self.passing(f"publish.{topic}.after", refusal)

    def _say(self, point: str) -> None:
        part = self._hit.with_name(f"{self._hit.name}.part")
        part.write_text(f"{point}\n", encoding="utf-8")
        part.replace(self._hit)  # whoever waits for the file finds all of it


def arm(folder: Path, process: str) -> Failpoints | None:
    """Take the orders for this life of `process` out of `folder`; None where there are none.

    Raises Misconfigured, and leaves the file, when a line is not one.
    """
    orders = folder / process
    try:
        lines = orders.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Misconfigured(f"Cannot read the failpoints in {orders}: {error.strerror}.") from error
    found = _parsed(lines, orders)
    orders.unlink()
    Path(folder, f"{process}.hit").unlink(missing_ok=True)
    return Failpoints(folder, process, found) if found else None


def _parsed(lines: Iterable[str], file: Path) -> dict[str, dict[int, Action]]:
    found: dict[str, dict[int, Action]] = {}
    for line in filter(str.strip, lines):
        point, n, action = _words(line, file)
        if point not in POINTS:
            raise Misconfigured(f"{file}: {point} is not a failpoint.")
        if action not in list(Action):
            raise Misconfigured(f"{file}: {action} is not an action; there are {', '.join(Action)}.")
        if not n.isdecimal() or int(n) < 1:
            raise Misconfigured(f"{file}: {n} does not say at which passing; count from 1.")
        found.setdefault(point, {})[int(n)] = Action(action)
    return found


def _words(line: str, file: Path) -> tuple[str, str, str]:
    match line.split():
        case [point, n, action]:
            return point, n, action
    raise Misconfigured(f"{file}: a line is POINT N ACTION, not {line.strip()!r}.")
