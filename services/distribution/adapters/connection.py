"""How does one connection carry one POST after the other, and end at once when it must?"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final, NamedTuple, cast

from services.distribution.adapters import wording
from services.distribution.adapters.alarm import Alarm
from services.distribution.adapters.answers import AnswerReader
from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.sockets import reset_on_close
from services.distribution.outcome import Unreachable

WRITTEN_IN_ONE: Final = 64 * 1024  # a larger body is not copied behind its head


class Origin(NamedTuple):
    """What connections may be shared between: one receiver under one name, shown one client certificate.

    `shown` is a digest of that certificate, empty for none.
    """

    tls: bool
    host: str
    port: int
    shown: bytes = b""


class Connection(asyncio.Protocol):
    """One connection to the address that was vetted for it, lying idle or carrying one POST.

    `lost` is called once, when it is gone for whatever reason.
    """

    def __init__(self, origin: Origin, budgets: Budgets, lost: "Callable[[Connection], None]") -> None:
        self.origin = origin
        self.answer = AnswerReader(budgets)
        self.made_at = self.written_at = perf_counter()
        self.answered_at: float | None = None
        self.open = False
        self.idle = False
        self._budgets = budgets
        self._lost = lost
        self._alarm = Alarm(self._out_of_time)
        self._waiting: asyncio.Future[None] | None = None
        self._unsent: asyncio.Future[None] | None = None
        self._spoke_first = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport

    @property
    def fit(self) -> bool:
        """Whether another POST may go out here: nothing spoiled it, and its address was vetted not too long ago."""
        return self.open and perf_counter() - self.made_at <= self._budgets.max_age

    def post(self, head: bytes, body: bytes, until: float) -> asyncio.Future[None]:
        """Write a request and return what is done when `answer` is over, `until` (perf_counter) at the latest.

        Nothing is awaited between the call and the writing.
        """
        self.answer.begin()
        self.answered_at = None
        self._waiting = waiting = self._loop.create_future()
        self.written_at = perf_counter()
        if not self.open:  # it ended since it was made, or its peer spoke before it was asked
            self._settle(wording.NOT_HTTP if self._spoke_first else wording.NO_ANSWER)
            return waiting
        self._alarm.set(until)
        if len(body) <= WRITTEN_IN_ONE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return waiting

    def rest(self) -> None:
        """Lie idle, for a while."""
        self.idle = True
        self.answered_at = None
        self._alarm.set(perf_counter() + self._budgets.keep_alive)

    def drop(self) -> None:
        """Hang up; there is nothing on its way."""
        self.open = False
        self._transport.abort()  # closing politely would wait for a farewell that a hostile peer never sends

    def cut(self) -> None:
        """Hang up while something is on its way, in or out: the kernel is to forget it too."""
        if self.open:
            reset_on_close(self._transport.get_extra_info("socket"))
        self.drop()

    def die(self) -> None:
        """End as if the other side had hung up just now."""
        self._ended(cleanly=False)

    async def written(self) -> None:
        """Wait until the kernel has the whole request, or the connection is gone."""
        self._transport.set_write_buffer_limits(0)  # calls `pause_writing` if anything is unsent
        if self._unsent is not None:
            await self._unsent

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:  # nobody asked: it could only spoil the next answer
            self._spoke_first = True
            self.cut()
            return
        if not self.answer.received:
            self.answered_at = perf_counter()
        if self.answer.feed(data):
            self._settle()

    def eof_received(self) -> None:
        self._ended(cleanly=True)

    def connection_lost(self, error: Exception | None) -> None:
        self._alarm.cancel()
        self._ended(cleanly=error is None)
        self.resume_writing()
        self._lost(self)

    def pause_writing(self) -> None:
        self._unsent = self._loop.create_future()

    def resume_writing(self) -> None:
        unsent, self._unsent = self._unsent, None
        if unsent is not None and not unsent.done():
            unsent.set_result(None)

    def _ended(self, *, cleanly: bool) -> None:
        self.open = False
        if self._waiting is not None:
            self.answer.end(cleanly=cleanly)
            self._settle()

    def _out_of_time(self) -> None:
        if self._waiting is None:
            self.drop()
            return
        self._settle(wording.out_of_time(self._budgets))

    def _settle(self, trouble: Unreachable | None = None) -> None:
        """Hand the answer over, such as it is; what is not wholly done on both sides is cut."""
        if trouble is not None:
            self.answer.give_up(trouble)
        waiting, self._waiting = self._waiting, None
        if not self.answer.reusable or self._transport.get_write_buffer_size():
            self.cut()
        assert waiting is not None
        if not waiting.done():
            waiting.set_result(None)
