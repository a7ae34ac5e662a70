"""How do many callers that publish one record each share a batch? Those that come meanwhile travel together next."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.platform.publishing import Appended, Headers, Outgoing
from shared.platform.topics import Topic


class PublishesMany(Protocol):
    """What a `Grouped` needs of the publisher below it."""

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]: ...


@dataclass(slots=True)
class _Group:
    """Records of one partition that go out with one call."""

    records: list[Outgoing] = field(default_factory=list)
    waiting: list[asyncio.Future[Appended]] = field(default_factory=list)
    """Whoever gave a record, in the same order."""


@dataclass(slots=True)
class Grouped:
    """Group commit: a record goes out at once when nothing of its partition is on its way, else with the next group.

    So a lone record waits for nobody, and under load a round trip to the broker is shared by all that came during
    the one before. Records of a partition keep the order in which `publish` was called.
    """

    publisher: PublishesMany
    _next: dict[tuple[Topic, int | None], _Group] = field(default_factory=dict)
    """What has come for a partition since its last group left; there while anything of it is on its way."""
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)

    async def publish(
        self,
        topic: Topic,
        key: str,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
    ) -> Appended:
        """Return where the record is once the broker has confirmed its group.

        Raises what `publish_all` raises, to everybody of the group: any of its records may have arrived. A record that
        is too large is refused for its whole group, so look at sizes before.
        """
        place = (topic, partition)
        group = self._next.get(place)
        if group is None:
            group = self._next[place] = _Group()
            leaving = asyncio.create_task(self._leave(place))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        confirmed: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        group.records.append(Outgoing(topic, key, value, headers, partition))
        group.waiting.append(confirmed)
        return await confirmed

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]:
        """Publish what its caller has put together already, as it is."""
        return await self.publisher.publish_all(outgoing)

    async def _leave(self, place: tuple[Topic, int | None]) -> None:
        """Send groups of one partition, one after the other, until nothing has come meanwhile."""
        while (group := self._next[place]).records:
            self._next[place] = _Group()
            try:
                appended = await self.publisher.publish_all(group.records)
            except asyncio.CancelledError:
                for each in (*group.waiting, *self._next.pop(place).waiting):
                    each.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - theirs who wait
                for each in group.waiting:
                    if not each.done():
                        each.set_exception(error)
            else:
                for each, at in zip(group.waiting, appended, strict=True):
                    if not each.done():  # who was given up waiting for is told nothing
                        each.set_result(at)
        del self._next[place]
