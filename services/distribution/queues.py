"""Which delivery goes next? A queue per endpoint, fair between endpoints by the time they take.

Deficit round robin (Shreedhar and Varghese, 1995) with cost in slot-seconds: a slow endpoint pays for its
slowness, so a dead one costs the others nothing. Pure: no clock, no socket, no task.
"""

from collections import deque
from collections.abc import Callable

from services.distribution.deliveries import Delivery, Urgency
from services.distribution.endpoint_queue import FLASHES, LINES, EndpointQueue, Manners

BURST = 1000
"""So many waiting at one endpoint are enough: the rest can stay in the log."""

QUANTUM = 0.05

MOST_SPARE = 256
"""Queues kept for the next endpoint that has something: to make one costs as much as to sign."""


def at_any_pace(endpoint_id: str) -> float:
    """The pace of whoever has no rate."""
    return 0.0


def nothing_spent(endpoint_id: str) -> None:
    """Who takes back what nobody has counted."""


def at_no_time(seconds: float, endpoint_id: str) -> None:
    """The timer of queues that hold nobody back."""


class FairQueues:
    """All queues of one process; `slots` is how many deliveries may be in flight at once."""

    def __init__(
        self,
        slots: int,
        *,
        reserved: float = 0.1,
        probation: float = 0.2,
        pace: Callable[[str], float] = at_any_pace,
        later: Callable[[float, str], None] = at_no_time,
        unspent: Callable[[str], None] = nothing_spent,
    ) -> None:
        """`reserved` of the slots are for flashes only.

        New, slow and failing endpoints get at most `probation` of them for flashes, and as much for the rest.
        `pace` is asked before each delivery of an endpoint: 0.0, or the seconds until it is worth asking again. The
        endpoint is out of line until then, at no cost; `later` is to call `go_on` with it after so many seconds.
        `unspent` is told when what `pace` let go was not sent.
        """
        self._pace = pace
        self._later = later
        self._unspent = unspent
        self._slots = slots
        self._routine_slots = slots - max(1, int(slots * reserved))
        self._probation_slots = max(1, int(slots * probation))
        self._queues: dict[str, EndpointQueue] = {}
        self._spare: list[EndpointQueue] = []
        self._ring: deque[str] = deque()
        self._flashes: deque[str] = deque()
        self._ringed: set[str] = set()
        self._flashed: set[str] = set()
        self._in_flight = 0
        self._probed: dict[bool, set[str]] = {True: set(), False: set()}  # by whether it is a flash
        self._manners: dict[str, Manners] = {}

    def __len__(self) -> int:
        """Deliveries that wait (those in flight not counted)."""
        return sum(queue.waiting for queue in self._queues.values())

    def waiting(self, endpoint_id: str) -> int:
        """How many wait at one endpoint."""
        queue = self._queues.get(endpoint_id)
        return queue.waiting if queue else 0

    def outstanding(self, endpoint_id: str) -> int:
        """How many wait, are in flight, or are not written down yet at one endpoint."""
        queue = self._queues.get(endpoint_id)
        return queue.waiting + len(queue.busy) if queue else 0

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def add(self, delivery: Delivery) -> None:
        """Put a delivery at the end of its line."""
        queue = self._queues.get(delivery.endpoint_id)
        if queue is None:
            queue = self._queues[delivery.endpoint_id] = self._made(delivery.endpoint_id)
        queue.lines[delivery.urgency].append(delivery)
        queue.waiting += 1
        self._stand_in_line(queue)

    def take(self) -> Delivery | None:
        """Return the next delivery, now in flight, or None when nothing may be sent at the moment.

        Flashes of any endpoint go first and may use every slot; the rest goes round by deficit.
        """
        if self._in_flight >= self._slots:
            return None
        while (queue := self._next_flash()) is not None:
            if (delivery := self._go(queue, FLASHES)) is not None:
                return delivery
        if self._in_flight >= self._routine_slots:
            return None
        while (queue := self._next_in_turn()) is not None:
            if (delivery := self._go(queue, LINES)) is not None:
                return delivery
        return None

    def go_on(self, endpoint_id: str) -> None:
        """Let an endpoint whose pace held it back stand in line again."""
        queue = self._queues.get(endpoint_id)
        if queue is not None:
            queue.held = False
            self._stand_in_line(queue)

    def land(self, delivery: Delivery, seconds: float, *, ok: bool | None, back_off: bool = False) -> None:
        """Give its slot back: the answer has come, after so many seconds. Its endpoint's share is taken until `finish`.

        `ok` None: nothing was sent, which says nothing of the endpoint. `back_off`: a timeout or 429, which halves how
        much the endpoint gets at once.
        """
        queue = self._queues[delivery.endpoint_id]
        delivery.landed = True
        self._in_flight -= 1
        self._probed[delivery.urgency in FLASHES].discard(delivery.delivery_id)
        if ok is not None:
            queue.manners.judge(seconds, ok=ok, back_off=back_off)
        elif delivery.paced:
            self._unspent(delivery.endpoint_id)

    def finish(
        self, delivery: Delivery, seconds: float = 0.0, *, ok: bool | None = None, back_off: bool = False
    ) -> None:
        """End what `take` began, landed or not: what became of it is written down."""
        if not delivery.landed:
            self.land(delivery, seconds, ok=ok, back_off=back_off)
        queue = self._queues[delivery.endpoint_id]
        queue.in_flight -= 1
        queue.busy.discard(delivery.story_id)
        self._free_story(queue, delivery.story_id)
        self._stand_in_line(queue)
        if queue.idle:
            self._rest(queue)

    def drop(self, shards: frozenset[int]) -> None:
        """Forget what waits for these shards: their new owner reads it again."""
        for queue in list(self._queues.values()):
            for line, waiting in queue.lines.items():
                queue.lines[line] = deque(each for each in waiting if each.shard not in shards)
            queue.behind = {
                story: kept
                for story, waiting in queue.behind.items()
                if (kept := deque(each for each in waiting if each.shard not in shards))
            }
            queue.waiting = sum(map(len, (*queue.lines.values(), *queue.behind.values())))
            if queue.idle:
                self._rest(queue)

    def _go(self, queue: EndpointQueue, lines: tuple[Urgency, ...]) -> Delivery | None:
        """Start an endpoint's next delivery, if its pace lets it go; what withdraws a story never waits for that."""
        open_to = self._open_to(queue, lines)
        if not queue.has_work(open_to):
            return None
        paced = not any(each.is_notice for each in queue.lines["flash"])
        if paced and (seconds := self._pace(queue.endpoint_id)) > 0.0:
            queue.held = True
            self._later(seconds, queue.endpoint_id)
            return None
        delivery = self._start(queue, open_to)
        if delivery is not None:
            delivery.paced = paced
        elif paced:
            self._unspent(queue.endpoint_id)
        return delivery

    def _made(self, endpoint_id: str) -> EndpointQueue:
        manners = self._manners.pop(endpoint_id, None) or Manners()
        if not self._spare:
            return EndpointQueue(endpoint_id, manners)
        queue = self._spare.pop()
        queue.endpoint_id, queue.manners = endpoint_id, manners
        return queue

    def _rest(self, queue: EndpointQueue) -> None:
        """An idle endpoint costs nothing but what is remembered of it; another one takes its empty lines."""
        del self._queues[queue.endpoint_id]
        self._manners[queue.endpoint_id] = queue.manners
        if len(self._spare) < MOST_SPARE and not queue.held:
            queue.deficit = 0.0
            queue.credit.update(dict.fromkeys(queue.credit, 0))
            self._spare.append(queue)

    def _stand_in_line(self, queue: EndpointQueue) -> None:
        if not queue.may_start:
            return
        if queue.has_work(FLASHES) and queue.endpoint_id not in self._flashed:
            self._flashed.add(queue.endpoint_id)
            self._flashes.append(queue.endpoint_id)
        if queue.has_work(LINES) and queue.endpoint_id not in self._ringed:
            self._ringed.add(queue.endpoint_id)
            self._ring.append(queue.endpoint_id)

    def _open_to(self, queue: EndpointQueue, lines: tuple[Urgency, ...]) -> tuple[Urgency, ...]:
        """Return the lines that may be served now: on probation, flashes and the rest have a small share each.

        What is routine waits with its endpoint's own flashes: the withhold in front of a release is one.
        """
        if not queue.manners.probation:
            return lines
        if queue.has_work(FLASHES) and len(self._probed[True]) >= self._probation_slots:
            return ()
        return tuple(line for line in lines if len(self._probed[line in FLASHES]) < self._probation_slots)

    def _next_flash(self) -> EndpointQueue | None:
        for _ in range(len(self._flashes)):
            endpoint_id = self._flashes.popleft()
            queue = self._queues.get(endpoint_id)
            waits = queue is not None and queue.has_work(FLASHES) and queue.may_start
            if waits and queue and not self._open_to(queue, FLASHES):
                self._flashes.append(endpoint_id)
                continue
            self._flashed.discard(endpoint_id)
            if waits:
                return queue
        return None

    def _next_in_turn(self) -> EndpointQueue | None:
        """One endpoint whose deficit covers its cost; those on probation wait while their share is used up."""
        passed_over = 0
        while self._ring and passed_over < len(self._ring):
            endpoint_id = self._ring.popleft()
            queue = self._queues.get(endpoint_id)
            if queue is None or not queue.has_work(LINES) or not queue.may_start:
                self._ringed.discard(endpoint_id)
                if queue:
                    queue.deficit = 0.0
                continue
            if not queue.has_work(self._open_to(queue, LINES)):
                self._ring.append(endpoint_id)
                passed_over += 1
                continue
            passed_over = 0
            queue.deficit += QUANTUM
            if queue.deficit >= (cost := queue.manners.cost * queue.price):
                queue.deficit = min(queue.deficit - cost, QUANTUM)
                self._ringed.discard(endpoint_id)
                return queue
            self._ring.append(endpoint_id)
        return None

    def _start(self, queue: EndpointQueue, lines: tuple[Urgency, ...]) -> Delivery | None:
        delivery = queue.next(lines)
        if delivery is not None:
            self._in_flight += 1
            queue.waiting -= 1
            if queue.manners.probation:
                self._probed[delivery.urgency in FLASHES].add(delivery.delivery_id)
            queue.in_flight += 1
            queue.busy.add(delivery.story_id)
            self._stand_in_line(queue)
        return delivery

    def _free_story(self, queue: EndpointQueue, story_id: str) -> None:
        """Let all that stood behind the story stand in their lines again: a flash among them goes first."""
        for freed in reversed(queue.behind.pop(story_id, deque())):
            queue.lines[freed.urgency].appendleft(freed)
