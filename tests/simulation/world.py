"""The whole wire in one thread: a schedule says who goes next, when somebody dies, and what receivers answer."""

import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from services.distribution.outcome import Delivered, Outcome, Refused, Unreachable
from services.distribution.tables import TOPICS
from shared.platform.clock import FixedClock
from tests.simulation.copies import REAL, Copy
from tests.simulation.driver import Driver
from tests.simulation.log import Crash, Log
from tests.simulation.newsroom import INBOXES, Newsroom, OwnClock
from tests.simulation.post import DUE_PLACES, LANES, Post
from tests.simulation.receivers import Receivers, Violation, register
from tests.simulation.reckoning import reckon

T = TypeVar("T")
BEGINNING = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PAUSES = (0.005, 1, 5, 10, 15, 61, 120, 700)
ANSWERS: tuple[Outcome, ...] = (
    Delivered(200),
    Refused(500),
    Refused(503, timedelta(minutes=2)),
    Unreachable("timeout"),
    Delivered(204),
    Delivered(200),
)
BAD_ANSWERS = 6  # at most so many once the schedule is over, so that every wait ends
ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a schedule: its name in `World.MOVES` and two numbers that choose within it."""

    what: str
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moves, then a drain whose order is drawn from `seed`."""

    moves: Sequence[Move]
    seed: int


def done(work: Coroutine[Any, Any, T]) -> T:
    """Run what never waits for anything outside this thread."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise AssertionError("it waits for something that no schedule moves")


def _gave_up(error: Exception) -> Violation:
    """What an error of the product's own is: nobody had killed the process."""
    return error if isinstance(error, Violation) else Violation(f"a service ended by itself: {error!r}")


class World:
    """Both services, started lazily: how long one is down is for the schedule to say."""

    def __init__(self, copy: Copy = REAL) -> None:
        self._copy = copy
        self._clock = FixedClock(BEGINNING)
        self._log = Log(self._clock)
        self._machine = OwnClock(self._clock)
        self.driver = Driver(self._log)
        self.receivers = Receivers(self._clock, self.driver.not_before)
        self._newsroom: Newsroom | None = None
        self._post: Post | None = None
        self.crashes = 0
        register(self._log, BEGINNING)

    def play(self, schedule: Schedule) -> None:
        """Raises `Violation` for whatever must not happen."""
        random.seed(schedule.seed)  # the product's jitter is part of what is replayed
        for move in schedule.moves:
            self._moves()[move.what](move.a, move.b)
        self._drain(Random(schedule.seed))
        reckon(self._log, self.driver, self.receivers)

    def _moves(self) -> dict[str, Callable[[int, int], object]]:
        return {
            "file": self.driver.file,
            "decide": self.driver.decide,
            "desk": lambda a, b: [self._desk(a) for _ in range(b % 4 + 1)],
            "match": lambda a, b: [self._match(a) for _ in range(b % 4 + 1)],
            "take": lambda a, b: [self._take(a) for _ in range(b % 4 + 1)],
            "follow": lambda a, _: self._follow(a),
            "send": lambda _, b: [self._send() for _ in range(b % 4 + 1)],
            "answer": lambda a, b: self._go_on(a, ANSWERS[b % len(ANSWERS)]),
            "wait": lambda a, _: self._wait(PAUSES[a % len(PAUSES)]),
            "commit": lambda a, _: self._commit(a),
            "die": self._die,
            "stop": lambda a, _: self._stop(a),
            "skew": lambda a, _: self._skew(a),
            "run": lambda a, b: self._sweep(Random(a * 97 + b), 2),
        }

    # --- steps: each says whether there was something to do ---------------------------------------------

    def _desk(self, number: int) -> bool:
        return self._in_newsroom(lambda room: done(room.take(INBOXES[number % len(INBOXES)])))

    def _match(self, number: int) -> bool:
        return self._in_post(lambda post: done(post.match(LANES[number % len(LANES)])))

    def _take(self, number: int) -> bool:
        return self._in_post(lambda post: done(post.take(DUE_PLACES[number % len(DUE_PLACES)])))

    def _follow(self, number: int) -> bool:
        return self._in_post(lambda post: post.follow(TOPICS[number % len(TOPICS)]))

    def _send(self) -> bool:
        return self._in_post(lambda post: post.send())

    def _go_on(self, number: int, answer: Outcome) -> bool:
        return self._in_post(lambda post: post.go_on(number, answer))

    def _commit(self, which: int) -> None:
        if which % 2 == 0 and self._newsroom:
            self._newsroom.commit()
        if which % 2 == 1 and self._post:
            self._post.commit()

    def _stop(self, which: int) -> None:
        """A planned restart: exchanges in hand end, what has passed is committed; nothing may come twice for it."""
        if which % 2 == 0:
            self._commit(0)
            self._newsroom = None
            return
        while self._post and self._post.exchanges:
            self._go_on(0, ANSWERS[0])
        self._commit(1)
        self._post = None

    def _skew(self, number: int) -> None:
        self._machine.ahead = timedelta(seconds=(0, 90, -90)[number % 3])

    def _wait(self, seconds: float) -> None:
        self._clock.advance(timedelta(seconds=seconds))
        self._in_newsroom(lambda room: done(room.tick()) is None)
        self._in_post(lambda post: done(post.tick()) is None)

    def _die(self, which: int, appends: int) -> None:
        """Let a process die at one of its next appends; that one may arrive or not."""

        def doom(life: Newsroom | Post) -> bool:
            life.appender.dies_in, life.appender.arrives = appends, which % 4 >= 2
            return True

        if which % 2 == 0:
            self._in_newsroom(doom)
        else:
            self._in_post(doom)

    # --- lives ------------------------------------------------------------------------------------------

    def _in_newsroom(self, step: Callable[[Newsroom], bool]) -> bool:
        try:
            if self._newsroom is None:
                self._newsroom = Newsroom(self._log, self._machine, self._copy)
                done(self._newsroom.start())
            return step(self._newsroom)
        except Crash:
            self.crashes += 1
            self._newsroom = None
            return True
        except Exception as error:
            raise _gave_up(error) from error

    def _in_post(self, step: Callable[[Post], bool]) -> bool:
        try:
            if self._post is None:
                self._post = Post(self._log, self._clock, self.receivers, self._copy)
                done(self._post.start())
            self.receivers.settling = None
            return step(self._post)
        except Crash:
            self.crashes += 1
            if self.receivers.settling:
                self.receivers.settling.unsure = True
            if self._post:
                self._post.die()
            self._post = None
            return True
        except Exception as error:
            raise _gave_up(error) from error

    # --- to the end -------------------------------------------------------------------------------------

    def _sweep(self, chance: Random, sweeps: int, bad: int = BAD_ANSWERS) -> int:
        """Let everybody work in changing order until nobody has anything to do, or for so many sweeps."""
        for _ in range(sweeps):
            steps: list[Callable[[], bool]] = [lambda n=n: self._desk(n) for n in range(len(INBOXES))]  # type: ignore[misc]
            steps += [lambda n=n: self._match(n) for n in range(len(LANES))]  # type: ignore[misc]
            steps += [lambda n=n: self._take(n) for n in range(len(DUE_PLACES))]  # type: ignore[misc]
            steps += [lambda n=n: self._follow(n) for n in range(len(TOPICS))]  # type: ignore[misc]
            steps += [self._send] * 3
            chance.shuffle(steps)
            busy = [step() for step in steps]
            for _ in range(chance.randrange(6)):
                answer = ANSWERS[chance.randrange(len(ANSWERS))] if bad > 0 else ANSWERS[0]
                bad -= not isinstance(answer, Delivered)
                busy.append(self._go_on(chance.randrange(8), answer))
            if chance.random() < 0.5:
                self._commit(chance.randrange(2))
            if not any(busy) and not (self._post and self._post.exchanges):
                break
        return bad

    def _drain(self, chance: Random) -> None:
        bad, pause = BAD_ANSWERS, 1.0
        for _ in range(ROUNDS):
            bad = self._sweep(chance, 200, bad)
            self._commit(0)
            self._commit(1)
            if self._newsroom and self._post and self._newsroom.at_rest and self._post.at_rest:
                return
            self._wait(pause)
            pause = min(pause * 1.7, 4000.0)
        raise Violation("it never comes to rest")
