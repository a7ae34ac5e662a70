"""The one loop: how are records handed over in order, flash first, and passed only when their effects are confirmed?

A source is a topic with a consumer of its own. The first one, the *lead*, joins the group; the others follow its
assignment, so that one process owns the same partition of every topic. Offsets pass by low watermark: a record whose
effects are not confirmed yet holds back the offset, not the records after it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.domain.errors import Unprocessable
from shared.platform.consumers import (
    OpenConsumer,
    check_partitions,
    committed,
    follower_group,
    group_name,
    open_consumer,
)
from shared.platform.handling import Completion, Handler, Ownership, Park
from shared.platform.health import Health
from shared.platform.in_hand import InHand, LetGo
from shared.platform.intake import Intake, NoCommittedOffset, Share, Source, Start, Window
from shared.platform.membership import Expelled, Membership
from shared.platform.parking import ParkingBudget, TooManyParked
from shared.platform.publishing import PublishFailed
from shared.platform.records import Record
from shared.platform.settings import KafkaSettings
from shared.platform.topics import name

__all__ = [
    "Completion",
    "Expelled",
    "Handler",
    "Membership",
    "NoCommittedOffset",
    "Ownership",
    "Park",
    "Record",
    "Source",
    "TooManyParked",
    "Window",
    "committed",
    "consume",
    "follower_group",
    "group_name",
]

WINDOW = Window()
COMMIT_EVERY_S = 0.2
DRAIN_WITHIN_S = 5.0
COMMIT_WITHIN_S = 3.0
PARKED_PER_MINUTE = 60

log = structlog.stdlib.get_logger(__name__)


async def consume(
    kafka: KafkaSettings,
    *,
    group: str,
    member: str,
    sources: Sequence[Source],
    handle: Handler,
    park: Park,
    stop: asyncio.Event,
    ownership: Ownership | None = None,
    window: Window = WINDOW,
    commit_every: float = COMMIT_EVERY_S,
    drain_within: float = DRAIN_WITHIN_S,
    commit_within: float = COMMIT_WITHIN_S,
    health: Health | None = None,
    membership: Membership | None = None,
    parked_per_minute: int = PARKED_PER_MINUTE,
    open_consumer: OpenConsumer = open_consumer,
) -> None:
    """Hand records to `handle` until `stop` is set: at least once, in order within each partition of each source.

    Earlier sources go first: before each handful of a source (its `at_most`), everything that waits in the sources
    before it is taken. `member` is the static member id: stable over restarts, unique among running processes.
    `window` bounds records and bytes in flight per partition. `parked_per_minute` bounds how many may be parked.
    `drain_within`: seconds that what is in hand and open is given when partitions go or the loop stops; then the
    handler is cancelled. `commit_within`: seconds for the commit after that.

    `Unprocessable` parks a record and goes on. Any other error, a failed park included, ends the loop with that error;
    the offset of the record does not pass. What is finished beyond the committed offset is told beside it, so that a
    restart hands over only the rest. `open_consumer`: over what to run, instead of a broker. Raises NoCommittedOffset,
    Misconfigured (topics missing or of unequal partition counts), TooManyParked, Expelled.
    """
    if not sources:
        raise ValueError("there is nothing to consume")
    loop = _Loop(
        kafka,
        group=group,
        member=member,
        handle=handle,
        park=park,
        stop=stop,
        ownership=ownership,
        commit_every=commit_every,
        drain_within=drain_within,
        commit_within=commit_within,
        health=health,
        membership=membership or Membership(),
        parked_per_minute=parked_per_minute,
        open_consumer=open_consumer,
    )
    await loop.run(sources, window)


class _Term:
    """One assignment, from when it is given until it is taken away."""

    __slots__ = ("opened", "partitions", "preparing", "told")

    def __init__(self, partitions: frozenset[int]) -> None:
        self.partitions = partitions
        self.preparing: asyncio.Task[None] | None = None
        self.told = False  # whether `gained` was called, so that `lost` must be
        self.opened = False  # whether records are taken


class _Loop(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Two tasks meet here: the loop itself, and the group's coordinator calling the two `on_partitions_` methods.

    The coordinator only swaps `_term`; the loop looks at it again after everything it awaits.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        group: str,
        member: str,
        handle: Handler,
        park: Park,
        stop: asyncio.Event,
        ownership: Ownership | None,
        commit_every: float,
        drain_within: float,
        commit_within: float,
        health: Health | None,
        membership: Membership,
        parked_per_minute: int,
        open_consumer: OpenConsumer,
    ) -> None:
        self._kafka = kafka
        self._open_consumer = open_consumer
        self._failpoints = kafka.failpoints
        self._group = group
        self._member = member
        self._handle_record = handle
        self._park_record = park
        self._stop = stop
        self._ownership = ownership
        self._commit_every = commit_every
        self._drain_within = drain_within
        self._commit_within = commit_within
        self._health = health
        self._membership = membership
        self._budget = ParkingBudget(parked_per_minute)
        self._intakes: list[Intake] = []
        self._term: _Term | None = None
        self._failure: BaseException | None = None
        self._ending = False
        self._releasing = asyncio.Lock()
        self._in_hand = InHand()
        self._asked_to_stop_at: float | None = None
        self._unparked: deque[tuple[Intake, Share, Record, Completion]] = deque()
        self._waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        membership.on_revival(self._wake)

    # The life of the loop

    async def run(self, sources: Sequence[Source], window: Window) -> None:
        helpers = [asyncio.create_task(self._watch_stop()), asyncio.create_task(self._commit_regularly())]
        if self._health is not None:
            self._health.watch(f"member of {self._group}", self._membership.trouble)
        self._ready(False, "joining the group")
        try:
            await self._join(sources, window)
            await self._work()
        except BaseException as error:
            self._failure = self._failure or error
            raise
        finally:
            self._ending = True
            self._ready(False, "stopped" if self._failure is None else f"ended by {type(self._failure).__name__}")
            for helper in helpers:
                helper.cancel()
            await self._end()

    async def _work(self) -> None:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._stop.is_set():
                return
            await self._park_settled()
            if not await self._turn():
                await self._rest()

    async def _turn(self) -> bool:
        """Do the next thing; False when there is nothing to do."""
        term = self._term
        if term is None:
            return False
        if not term.opened:
            await self._open(term)
            return True
        if not self._membership.alive():
            return False
        for intake in self._intakes:
            handful = await intake.take()
            if handful:
                await self._handle(term, intake, handful)
                return True
        return False

    async def _rest(self) -> None:
        """Wait until there is something to take or somebody calls `_wake`. Every source is polled meanwhile."""
        if not self._waker.done():
            waiting: set[asyncio.Future[Any]] = {self._waker}
            if self._term is not None and self._term.opened and self._membership.alive():
                waiting |= {intake.expect() for intake in self._intakes}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._waker.done():
            self._waker = asyncio.get_running_loop().create_future()

    def _wake(self) -> None:
        if not self._waker.done():
            self._waker.set_result(None)

    def _fail(self, error: BaseException) -> None:
        """End the loop with this error; the first one counts."""
        if self._failure is None:
            self._failure = error
        self._cancel_preparation()
        self._in_hand.interrupt()
        self._wake()

    async def _watch_stop(self) -> None:
        await self._stop.wait()
        self._asked_to_stop_at = time.monotonic()
        self._cancel_preparation()
        self._wake()
        await asyncio.sleep(self._drain_within)
        self._in_hand.interrupt()

    def _cancel_preparation(self) -> None:
        if self._term is not None and self._term.preparing is not None:
            self._term.preparing.cancel()

    async def _end(self) -> None:
        """Finish what is in hand when asked to stop, commit what is finished, close. Never hides the first error."""
        try:
            await self._release(self._left_to_drain() if self._failure is None else 0)
        except Exception as error:
            log.warning("consumer.release_failed", group=self._group, error=type(error).__name__)
            if self._failure is None:
                raise
        finally:
            await asyncio.gather(*(intake.close() for intake in self._intakes))

    def _left_to_drain(self) -> float:
        """What the record in hand has left of the time; whoever stops us waits for all of it together."""
        since = time.monotonic() if self._asked_to_stop_at is None else self._asked_to_stop_at
        return max(0.0, since + self._drain_within - time.monotonic())

    # Joining, owning, leaving

    async def _join(self, sources: Sequence[Source], window: Window) -> None:
        lead, *followers = sources
        group = group_name(self._group, self._kafka.topic_prefix)
        session_ms = int(self._membership.session_timeout * 1000)
        consumer = await self._open_consumer(
            self._kafka,
            group_id=group,
            group_instance_id=self._member,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=500,
            rebalance_timeout_ms=15_000,
            # A handful takes as long as its deadlines allow: a stuck record is noticed by those, not by eviction.
            max_poll_interval_ms=300_000,
        )
        self._intakes.append(Intake(self._kafka, lead, consumer, group, window))
        for source in followers:
            own = group_name(follower_group(self._group, source.topic), self._kafka.topic_prefix)
            follower = await self._open_consumer(self._kafka, group_id=own)
            follower.commit_only(self._membership.alive)  # nobody else fences it
            self._intakes.append(Intake(self._kafka, source, follower, own, window))
        await check_partitions(consumer, [name(source.topic, self._kafka.topic_prefix) for source in sources])
        self._membership.listen_to(consumer, self._expelled)
        consumer.commit_only(self._membership.alive)
        consumer.subscribe([name(lead.topic, self._kafka.topic_prefix)], listener=self)

    def _expelled(self) -> None:
        self._fail(
            Expelled(
                f"group {self._group} knows member {self._member} no more: another process runs under that id, "
                "or this one was paused for longer than its session"
            )
        )

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """The coordinator's callback: only note it, since the group waits for its return."""
        if self._ending:
            return
        partitions = frozenset(at.partition for at in assigned)
        try:
            lead, *followers = self._intakes
            lead.hush(partitions)
            for follower in followers:
                follower.follow(partitions)
        except Exception as error:  # noqa: BLE001 - aiokafka would only log it
            self._fail(error)
            return
        self._membership.beat()
        self._term = _Term(partitions)
        self._wake()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """The coordinator's callback: finish, commit and let go before anybody else may take over."""
        try:
            await self._release(drain=self._drain_within)
        except Exception as error:  # noqa: BLE001 - aiokafka would only log it
            self._fail(error)

    async def _open(self, term: _Term) -> None:
        """Look up the offsets and let the owner prepare, outside the group's callback; then begin to take records."""
        starts: list[dict[int, Start]] = []

        async def prepare() -> None:
            starts.extend(await asyncio.gather(*(intake.committed(term.partitions) for intake in self._intakes)))
            if self._ownership is not None and term.partitions:
                term.told = True
                await self._ownership.gained(term.partitions)

        if self._over():
            return
        term.preparing = asyncio.create_task(prepare())
        try:
            await asyncio.wait({term.preparing})
        finally:
            term.preparing.cancel()
        if term.preparing.cancelled():
            return  # the partitions went meanwhile, or the loop is ending
        if error := term.preparing.exception():
            raise error
        if term is not self._term:
            return
        for intake, start in zip(self._intakes, starts, strict=True):
            intake.open(start)
        term.opened = True
        self._ready(True)
        log.info("consumer.owns", group=self._group, partitions=sorted(term.partitions))

    async def _release(self, drain: float) -> None:
        """Let go of the current partitions: nothing new begins from here on."""
        async with self._releasing:
            term, self._term = self._term, None
            if term is None:
                return
            if not self._ending:
                self._ready(False, "rebalancing")
            if term.preparing is not None:
                term.preparing.cancel()
                await asyncio.wait({term.preparing}, timeout=drain)
            try:
                await self._in_hand.drained(drain, self._park_at_end)
            finally:
                await self._hand_over(term)

    async def _hand_over(self, term: _Term) -> None:
        """Commit what is finished, tell the owner, forget the rest."""
        await self._in_hand.let_go()
        await self._commit_now()
        try:
            if self._ownership is not None and term.told:
                await self._ownership.lost(term.partitions)
                await self._commit_now()
        finally:
            for position, intake in enumerate(self._intakes):
                # not when ending: aiokafka's fetcher misses a close that comes right behind an unsubscribe
                intake.leave(unassign=position > 0 and not self._ending)
            self._in_hand.forget()

    # Handling

    async def _handle(self, term: _Term, intake: Intake, handful: Sequence[tuple[Share, Record]]) -> None:
        """Handle records one after the other, as long as they are ours."""
        for share, record in handful:
            while not self._membership.alive() and term is self._term and not self._over():
                await self._rest()
            if term is not self._term or self._over():
                return
            await self._handle_one(intake, share, record)
        await asyncio.sleep(0)  # a handler that never waits must not keep the consumers from hearing of a flash

    async def _handle_one(self, intake: Intake, share: Share, record: Record) -> None:
        intake.begin(share, record)
        try:
            completion = await self._in_hand.doing(self._handled(record))
        except LetGo:
            return
        if completion is None:
            self._finish(intake, share, record)
        else:
            self._in_hand.promised(completion)
            completion.add_done_callback(partial(self._settled, intake, share, record))

    async def _handled(self, record: Record) -> Completion | None:
        try:
            if self._failpoints is not None:
                await self._failpoints.passing(f"handle.{record.topic}.before", PublishFailed)
            return await self._handle_record(record)
        except Unprocessable as error:
            await self._park(record, error)
            return None

    def _settled(self, intake: Intake, share: Share, record: Record, completion: Completion) -> None:
        """A handler's promise has been kept, or cannot be."""
        error = completion.exception()
        if error is None:
            self._finish(intake, share, record)
            self._in_hand.kept(completion)
        elif isinstance(error, Unprocessable):
            self._unparked.append((intake, share, record, completion))
            self._in_hand.changed()
            self._wake()
        else:
            self._fail(error)

    def _finish(self, intake: Intake, share: Share, record: Record) -> None:
        if intake.finish(share, record):
            self._wake()

    async def _park_settled(self) -> None:
        """Park the records whose completion failed for good; not those of partitions that went meanwhile."""
        while self._unparked:
            intake, share, record, completion = self._unparked.popleft()
            error = completion.exception()
            if isinstance(error, Unprocessable) and intake.owns(share, record.partition):
                await self._park(record, error)
                self._finish(intake, share, record)
            self._in_hand.kept(completion)

    async def _park_at_end(self) -> None:
        if self._ending:  # before that the loop itself does it
            await self._park_settled()

    async def _park(self, record: Record, error: Unprocessable) -> None:
        self._budget.check(error)
        await self._park_record(record, error)
        self._budget.spend()
        log.warning(
            "record.parked",
            group=self._group,
            topic=record.topic.value,
            partition=record.partition,
            offset=record.offset,
            error=type(error).__name__,
        )

    def _over(self) -> bool:
        return self._failure is not None or self._stop.is_set()

    # Committing

    async def _commit_regularly(self) -> None:
        """Commit beside the loop, so that no record waits for the answer; and ask what polling alone would be told.

        A member that is not alive polls nothing: its coordinator would wait for ever to be asked what is wrong.
        """
        try:
            while True:
                await asyncio.sleep(self._commit_every)
                for intake in self._intakes:
                    intake.consumer.check()
                await self._commit_all()
        except Exception as error:  # noqa: BLE001 - the loop raises it
            self._fail(error)

    async def _commit_now(self) -> None:
        """Commit before letting go, but never wait long: what is not committed is handled again."""
        try:
            async with asyncio.timeout(self._commit_within):
                await self._commit_all()
        except (TimeoutError, KafkaError) as error:
            log.warning("commit.given_up", group=self._group, error=type(error).__name__)

    async def _commit_all(self) -> None:
        # Nobody fences a follower's commit: one that comes late would take back what the new owner has committed.
        if not self._membership.alive():
            return
        await asyncio.gather(*(intake.commit() for intake in self._intakes))

    def _ready(self, ok: bool, reason: str = "") -> None:
        if self._health is not None:
            self._health.set(f"consuming {self._group}", ok, reason)
