"""Group commit: nobody waits alone, nobody hears of a record before the broker has it."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.platform.grouping import Grouped
from shared.platform.publishing import Appended, Outgoing, PublishFailed
from shared.platform.topics import Topic
from tests.waiting import wait_until


class Broker:
    """Confirms a call when told to; remembers what each call brought."""

    def __init__(self) -> None:
        self.calls: list[list[bytes | None]] = []
        self._answers: list[asyncio.Future[None]] = []
        self._appended = 0

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]:
        self.calls.append([record.value for record in outgoing])
        answer = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        await answer
        first, self._appended = self._appended, self._appended + len(outgoing)
        return [Appended(record.topic, record.partition or 0, first + n, 0) for n, record in enumerate(outgoing)]

    def confirm(self) -> None:
        self._answers.pop(0).set_result(None)

    def fail(self) -> None:
        self._answers.pop(0).set_exception(PublishFailed("away"))


def publishing(grouped: Grouped, value: bytes, partition: int = 0) -> "asyncio.Task[Appended]":
    return asyncio.create_task(grouped.publish(Topic.ATTEMPTS, str(partition), value, partition=partition))


async def test_what_comes_while_one_is_on_its_way_travels_together_next() -> None:
    """The first waits for nobody; the rest share one call, in order, and each is told its own place."""
    broker = Broker()
    grouped = Grouped(broker)
    first = publishing(grouped, b"0")
    await wait_until(lambda: broker.calls, 5)
    later = [publishing(grouped, str(n).encode()) for n in range(1, 4)]
    await asyncio.sleep(0)
    assert broker.calls == [[b"0"]]
    broker.confirm()
    assert (await first).offset == 0
    await wait_until(lambda: len(broker.calls) == 2, 5)
    assert broker.calls[1] == [b"1", b"2", b"3"]
    assert not any(one.done() for one in later)
    broker.confirm()
    assert [(await one).offset for one in later] == [1, 2, 3]


async def test_partitions_do_not_wait_for_each_other() -> None:
    """One shard's round trip holds up no other shard."""
    broker = Broker()
    grouped = Grouped(broker)
    both = [publishing(grouped, b"a", 0), publishing(grouped, b"b", 1)]
    await wait_until(lambda: broker.calls == [[b"a"], [b"b"]], 5)
    broker.confirm()
    broker.confirm()
    await asyncio.gather(*both)


async def test_a_failure_is_told_to_everybody_of_the_group_and_to_nobody_else() -> None:
    """Those who come behind it are sent as if nothing had been."""
    broker = Broker()
    grouped = Grouped(broker)
    unlucky = [publishing(grouped, b"0"), publishing(grouped, b"1")]
    await wait_until(lambda: broker.calls == [[b"0", b"1"]], 5)
    lucky = publishing(grouped, b"2")
    await asyncio.sleep(0)
    broker.fail()
    for one in unlucky:
        with pytest.raises(PublishFailed):
            await one
    await wait_until(lambda: len(broker.calls) == 2, 5)
    broker.confirm()
    assert (await lucky).offset == 0


async def test_one_who_gives_up_takes_nobody_along() -> None:
    """A sender that is cancelled leaves the record on its way and the others waiting for it."""
    broker = Broker()
    grouped = Grouped(broker)
    gone, stays = publishing(grouped, b"0"), publishing(grouped, b"1")
    await wait_until(lambda: broker.calls, 5)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    broker.confirm()
    assert (await stays).offset == 1
