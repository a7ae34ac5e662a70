"""Which addresses does a name have, asked without letting a silent name server hold anything up?"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Final, TypeAlias

Lookup: TypeAlias = Callable[[str, int], Sequence[str]]

MOST_ADDRESSES: Final = 64  # each is judged on the event loop and tried in turn: no name needs more


class NameUnresolved(OSError):
    """A name has no address, or none was found in time."""


def system_lookup(host: str, port: int) -> list[str]:
    """Return the addresses the system's resolver knows for a name, in its order; blocks, raises `OSError`."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


class Names:
    """Looks names up, anew each time: nothing is remembered that could outlive a judgement.

    `lookup` blocks and runs in threads of its own, at most `at_once` of them: a silent name server holds up
    nobody's files or locks, nor the end of the process. One look-up per name at a time, so that a dead name
    holds one thread however many deliveries wait for it. `budget` is in seconds.
    """

    def __init__(self, lookup: Lookup = system_lookup, budget: float = 5.0, at_once: int = 64) -> None:
        self._lookup = lookup
        self._budget = budget
        self._slots = asyncio.Semaphore(at_once)
        self._under_way: dict[tuple[str, int], asyncio.Task[Sequence[str]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return every address of `host`, 1 to 64 of them and none judged yet; raise `NameUnresolved`."""
        under_way = self._look_up_once(host, port)
        try:
            async with asyncio.timeout(self._budget):
                await asyncio.wait({under_way})
        except TimeoutError as late:
            raise NameUnresolved(f"no answer within {self._budget:g} s") from late
        if under_way.cancelled():
            raise NameUnresolved("the resolver was closed")
        try:
            addresses = under_way.result()
        except (OSError, UnicodeError) as unknown:
            raise NameUnresolved("the name has no address") from unknown
        if not 0 < len(addresses) <= MOST_ADDRESSES:
            raise NameUnresolved(f"the name has {len(addresses)} addresses")
        return addresses

    def close(self) -> None:
        """Forget what is under way; nobody waits for threads that wait for a name server."""
        for task in self._under_way.values():
            task.cancel()

    def _look_up_once(self, host: str, port: int) -> asyncio.Task[Sequence[str]]:
        name = (host, port)
        under_way = self._under_way.get(name)
        if under_way is None:
            under_way = self._under_way[name] = asyncio.create_task(self._look_up(host, port))
            under_way.add_done_callback(lambda done: self._forget(name, done))
        return under_way

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        async with self._slots:
            return await _in_thread(partial(self._lookup, host, port))

    def _forget(self, name: tuple[str, int], done: asyncio.Task[Sequence[str]]) -> None:
        del self._under_way[name]
        if not done.cancelled():
            done.exception()  # looked at, for the case that every waiter has gone


async def _in_thread(call: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Run a blocking call in a thread that a stopping process does not wait for, as it would for an executor's."""
    promise: Future[Sequence[str]] = Future()
    promise.set_running_or_notify_cancel()

    def run() -> None:
        try:
            promise.set_result(call())
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits
            promise.set_exception(error)

    Thread(target=run, name="resolve", daemon=True).start()
    return await asyncio.wrap_future(promise)
