"""The whole wire in one thread: a schedule says who goes next, when somebody dies, and what receivers answer."""

import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from services.distribution.outcome import Delivered, Outcome, Refused, Unreachable
from services.distribution.tables import TOPICS
from shared.domain.health import HEALTH, EndpointHealth
from shared.domain.subscription import EndpointState
from shared.platform.clock import FixedClock
from shared.platform.topics import Topic, key_of, parts_of
from tests.simulation.copies import REAL, Copy
from tests.simulation.driver import STORIES, Driver
from tests.simulation.gateway import HEARD, RELEASED, Gateway
from tests.simulation.listeners import LISTENERS, Listener, Page, Reader
from tests.simulation.log import Crash, Log, Place
from tests.simulation.newsroom import INBOXES, Newsroom, OwnClock
from tests.simulation.post import DUE_PLACES, LANES, Post
from tests.simulation.receivers import ENDPOINTS, Contents, Receivers, Violation, endpoint_of, register
from tests.simulation.reckoning import reckon, reckon_shown
from tests.simulation.view_store import ViewStore

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
SOON = 5  # no input has more appends than four
WRITES = (
    (Topic.STATE, Topic.RELEASED, Topic.RELEASED_FLASH, Topic.CURRENT, Topic.KILLED, *[Topic.STATE] * 3),
    (Topic.RECIPIENTS, Topic.DUE, Topic.DUE_FLASH, Topic.ATTEMPTS, Topic.RETRY_10S),
)


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
    """The services, started lazily: how long one is down is for the schedule to say."""

    def __init__(self, copy: Copy = REAL, stories: Sequence[str] = STORIES) -> None:
        self._copy = copy
        self._clock = FixedClock(BEGINNING)
        self._log = Log(self._clock)
        self._machine = OwnClock(self._clock)
        self.driver = Driver(self._log, stories)
        contents = Contents(self._clock, self.driver.not_before)
        self.receivers = Receivers(contents)
        self.listeners = [Listener(name, contents, self._is_dead) for name in LISTENERS]
        self.reader = Reader(contents)
        self._views = ViewStore()
        self._views_passed: dict[Place, int] = {}
        self._newsroom: Newsroom | None = None
        self._post: Post | None = None
        self._gateway: Gateway | None = None
        self._paused: set[str] = set()
        self.crashes = 0
        self.wipes = 0
        register(self._log, BEGINNING)
        self._at_gateway(lambda _: None)  # its clients listen from the beginning

    def play(self, schedule: Schedule) -> None:
        """Raises `Violation` for whatever must not happen."""
        try:
            self.begin(schedule.seed)
            for move in schedule.moves:
                self.move(move)
            self.settle(schedule.seed)
        finally:
            self.close()

    def begin(self, seed: int) -> None:
        random.seed(seed)  # the product's jitter is part of what is replayed

    def move(self, move: Move) -> None:
        """Do one step. Raises `Violation`."""
        self._moves()[move.what](move.a, move.b)

    def settle(self, seed: int) -> None:
        """Let everybody finish, in an order drawn from the seed, and reckon. Raises `Violation`."""
        self._drain(Random(seed))
        reckon(self._log, self.driver, self.receivers)
        pages = {story_id: self._page(story_id) for story_id in self.driver.stories}
        reckon_shown(self._log, self.listeners, pages)

    @property
    def running(self) -> bool:
        """Whether somebody runs who could die."""
        return self._newsroom is not None or self._post is not None

    def behind(self) -> Counter[str]:
        """Why endpoints were owed something from the log, by how many records said so."""
        found: Counter[str] = Counter()
        for record in self._log.of(Topic.ENDPOINT_HEALTH):
            if parts_of(record.key or "")[1] == HEALTH and record.value is not None:
                owed = EndpointHealth.model_validate_json(record.value).catch_up
                found[owed.why if owed else "over"] += 1
        return found

    @property
    def asked(self) -> bool:
        """Whether an endpoint is to answer."""
        return self._post is not None and bool(self._post.exchanges)

    def close(self) -> None:
        """Leave nothing running."""
        for life in (self._post, self._gateway):
            if life:
                life.end()
        self._post = self._gateway = self._newsroom = None

    def _moves(self) -> dict[str, Callable[[int, int], object]]:
        return {
            "file": self.driver.file,
            "decide": self.driver.decide,
            "desk": lambda a, b: [self._desk(a) for _ in range(b % 4 + 1)],
            "match": lambda a, b: [self._match(a) for _ in range(b % 4 + 1)],
            "take": lambda a, b: [self._take(a) for _ in range(b % 4 + 1)],
            "follow": lambda a, _: self._follow(a),
            "send": lambda _, b: [self._send() for _ in range(b % 4 + 1)],
            "catch up": lambda *_: self._catch_up(),
            "pause": lambda a, b: self._pause(tuple(ENDPOINTS)[a % len(ENDPOINTS)], paused=b % 2 == 0),
            "answer": lambda a, b: self._go_on(a, ANSWERS[b % len(ANSWERS)]),
            "wait": lambda a, _: self._wait(PAUSES[a % len(PAUSES)]),
            "commit": lambda a, _: self._commit(a),
            "die": self._die,
            "stop": lambda a, _: self._stop(a),
            "skew": lambda a, _: self._skew(a),
            "hear": lambda a, b: [self._hear(a) for _ in range(b % 4 + 1)],
            "flush": lambda *_: self._at_gateway(lambda there: there.flush()),
            "view": lambda a, b: [self._view(a) for _ in range(b % 4 + 1)],
            "look": lambda a, _: self._look(a),
            "wipe": lambda a, _: self._wipe(a),
            "listen": self._listen,
            "end": lambda *_: self._end_gateway(),
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

    def _catch_up(self) -> bool:
        return self._in_post(lambda post: done(post.catch_up()))

    def _go_on(self, number: int, answer: Outcome) -> bool:
        return self._in_post(lambda post: post.go_on(number, answer))

    def _hear(self, number: int) -> bool:
        return self._at_gateway(lambda there: there.hear(HEARD[number % len(HEARD)]))

    def _view(self, number: int) -> bool:
        return self._at_gateway(lambda there: there.view(RELEASED[number % len(RELEASED)]))

    def _look(self, number: int) -> None:
        story_id = self.driver.story(number)
        self.reader.look(story_id, self._page(story_id))

    def _page(self, story_id: str) -> Page:
        return self._at_gateway(lambda there: there.page(story_id))

    def _wipe(self, chance: int) -> None:
        """Redis is emptied now and then; the keeper notices at its next look, or at its next record."""
        if chance % 4 == 0:
            self.wipes += 1
            self._views.wipe()

    def _listen(self, who: int, how: int) -> None:
        """Let a client come back, be full, or take bytes again."""
        listener = self.listeners[who % len(self.listeners)]
        if how % 3 == 0:
            self._at_gateway(lambda there: there.connect(listener))
        else:
            self._at_gateway(lambda there: there.fill(listener, how % 3 == 1))

    def _end_gateway(self) -> None:
        if self._gateway:
            self.crashes += 1
            self._gateway.end()
            self._gateway = None

    def _is_dead(self, story_id: str) -> bool:
        return self._gateway is not None and self._gateway.knows_kill(story_id)

    def _commit(self, which: int) -> None:
        life = (self._newsroom, self._post, self._gateway)[which % 3]
        if life:
            life.commit()

    def _pause(self, endpoint_id: str, *, paused: bool) -> None:
        """Let the owner of an endpoint pause or resume it."""
        state = EndpointState.PAUSED if paused else EndpointState.ACTIVE
        if paused == (endpoint_id in self._paused):
            return
        self._paused ^= {endpoint_id}
        value = endpoint_of(endpoint_id, state, BEGINNING).model_dump_json().encode()
        self._log.append(Topic.SUBSCRIPTION_STATE, key_of(endpoint_id, "endpoint"), value)

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
        self._at_gateway(lambda there: there.mend())

    def _die(self, which: int, appends: int) -> None:
        """Let a process die at one of its next appends, or at its next one to some topic, which may arrive or not."""
        topics = WRITES[which % 2]

        def doom(life: Newsroom | Post) -> bool:
            life.appender.arrives = which % 4 >= 2
            if appends < SOON:
                life.appender.dies_in = appends
            else:
                life.appender.dies_at = topics[appends % len(topics)]
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
                self._post.end()
            self._post = None
            return True
        except Exception as error:
            raise _gave_up(error) from error

    def _at_gateway(self, step: Callable[[Gateway], T]) -> T:
        try:
            if self._gateway is None:
                self._gateway = Gateway(self._log, self._views, self._views_passed, self.listeners, self._copy)
                self._gateway.start()
            return step(self._gateway)
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
            steps += [lambda n=n: self._hear(n) for n in range(len(HEARD))]  # type: ignore[misc]
            steps += [lambda n=n: self._view(n) for n in range(len(RELEASED))]  # type: ignore[misc]
            steps += [*[self._send] * 3, self._catch_up]
            chance.shuffle(steps)
            busy = [step() for step in steps]
            for _ in range(chance.randrange(6)):
                answer = ANSWERS[chance.randrange(len(ANSWERS))] if bad > 0 else ANSWERS[0]
                bad -= not isinstance(answer, Delivered)
                busy.append(self._go_on(chance.randrange(8), answer))
            if chance.random() < 0.5:
                self._commit(chance.randrange(3))
            if not any(busy) and not (self._post and self._post.exchanges):
                break
        return bad

    def _drain(self, chance: Random) -> None:
        for endpoint_id in sorted(self._paused):
            self._pause(endpoint_id, paused=False)
        bad, pause = BAD_ANSWERS, 1.0
        for _ in range(ROUNDS):
            bad = self._sweep(chance, 200, bad)
            for which in range(3):
                self._commit(which)
            lives = (self._newsroom, self._post, self._gateway)
            if all(life is not None and life.at_rest for life in lives):
                self._settle_gateway()
                return
            self._wait(pause)
            pause = min(pause * 1.7, 4000.0)
        raise Violation("it never comes to rest")

    def _settle_gateway(self) -> None:
        for listener in self.listeners:
            self._at_gateway(lambda there, one=listener: there.fill(one, False))  # type: ignore[misc]
        self._at_gateway(lambda there: there.flush())
        self._at_gateway(lambda there: there.mend())
        for number in range(len(self.driver.stories)):
            self._look(number)
