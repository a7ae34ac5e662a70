"""Stories at a set pace or as fast as they are taken, for clients that listen to one server; and what came of it."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.story import Lane
from tests.bench.accounts import Account, account, counted
from tests.bench.command import Protocol
from tests.bench.gateway.loads import LoadClient, Opening, Told
from tests.bench.gateway.reading import disorder
from tests.bench.gateway.servers import Server
from tests.bench.gateway.stories import Audience, Ledger, Story
from tests.bench.window import Window

SAMPLE = 50
"""Clients whose every story is looked at, unless a row says otherwise."""
SETTLED_WITHIN_S = 20.0
"""What has not come for so long is lost."""
FOR_COPIES_S = 0.3
CLIENT_LIMIT = 0.85
"""Part of a core from which on the load client, not the server, sets the pace."""
MAIN = "main"


class NotServedError(Exception):
    """Some of the clients were refused; says with which statuses."""


@dataclass(frozen=True, slots=True)
class Run:
    """One window under load. Latencies in milliseconds from when a story was due to when a client of the sample had it.

    `account` counts for every client, `sampled` by number for the sample; shares are parts of one core.
    """

    per_s: float
    cpu_us: float
    server_share: float
    client_share: float
    late: list[float]
    account: Account
    sampled: Account
    disordered: int
    gaps: int
    ended: int

    @property
    def sound(self) -> bool:
        """Every client has what it is owed, once and in order, and nobody was let go."""
        in_order = not (self.disordered or self.gaps or self.ended)
        return self.account.balances and self.sampled.balances and in_order

    @property
    def trouble(self) -> str:
        """What is not as it should be, in words; "" when it is sound."""
        if self.sound:
            return ""
        words = [str(one) for one in (self.account, self.sampled) if not one.balances]
        counts = (("out of order", self.disordered), ("gaps", self.gaps), ("connections ended", self.ended))
        return "; ".join([*words, *(f"{count} {what}" for what, count in counts if count)])

    @property
    def clients_limit(self) -> bool:
        """Whether the load client was at the end of its strength: then a rate says nothing of the server."""
        return self.client_share >= CLIENT_LIMIT


@dataclass(slots=True)
class Load:
    """The clients of one server. `pid` of the server is what is measured."""

    server: Server
    client: LoadClient
    audiences: list[Audience] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    owed: int = 0
    """Stories that are to come to anybody of `MAIN`, since the start."""
    made: int = 0
    _reach: Counter[str] = field(default_factory=Counter)
    _elsewhere: int = 0
    _ended: int = 0

    async def listen(
        self,
        audiences: Sequence[Audience],
        kind: str = "sse",
        *,
        sample: int = SAMPLE,
        cursor: str = "",
        chain: Path | None = None,
    ) -> Opening:
        """Open all the clients of these audiences as `MAIN`. Raises NotServedError when any is refused."""
        self.audiences = list(audiences)
        wants = [audience.sections for audience in audiences for _ in range(audience.count)]
        self._reach = Counter(section for sections in wants for section in sections)
        heads = [self.server.head(kind, client, sections, cursor) for client, sections in enumerate(wants)]
        opening = await self.client.open(MAIN, self.server.address, heads, sample=sample, chain=chain)
        if opening.refused:
            told = ", ".join(f"{count:,} × {_status(status)}" for status, count in opening.refused.items())
            raise NotServedError(f"{self.server.name} refused {told}")
        return opening

    async def put(self, stories: Sequence[Story]) -> None:
        """Publish stories, and owe them to whoever wants them."""
        self.owe(stories)
        await self.server.put(stories)

    def owe(self, stories: Sequence[Story]) -> None:
        """Enter what is (or was) put into the account."""
        self.ledger.released += stories
        self.owed += sum(self._reach[story.section] for story in stories)

    def stories(self, sections: Sequence[str], due_us: int, lane: Lane = Lane.ROUTINE) -> list[Story]:
        """New stories, one for each section named."""
        made = [Story(self.made + number, section, due_us, lane) for number, section in enumerate(sections)]
        self.made += len(made)
        return made

    async def steady(
        self,
        per_s: float,
        seconds: float,
        sections: Iterator[str],
        *,
        together: int = 1,
        lane: Lane = Lane.ROUTINE,
    ) -> None:
        """Put `per_s` stories a second, `together` at a time, each at its own time whatever became of those before."""
        every, began = together / per_s, time.time()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds / every)):
                due = began + number * every
                await asyncio.sleep(max(0, math.ceil((due - time.time()) * 1000)) / 1000)  # timers know whole ms
                wanted = [next(sections) for _ in range(together)]
                group.create_task(self.put(self.stories(wanted, int(due * 1e6), lane)))

    async def flood(self, in_flight: int, seconds: float, section: str) -> None:
        """Put stories as fast as no more than `in_flight` of them are on their way at any time."""
        ends, most = time.monotonic() + seconds, in_flight * self._reach[section]
        while time.monotonic() < ends:
            room = (most - (self.owed - self.arrived)) // self._reach[section]
            if room > 0:
                await self.put(self.stories([section] * room, time.time_ns() // 1000))
            await asyncio.sleep(0.001)

    @property
    def arrived(self) -> int:
        """What has come to anybody of `MAIN`, since the start."""
        return self.client.arrived - self._elsewhere

    async def run(self, load: Callable[[float], Awaitable[None]], protocol: Protocol) -> Run:
        """Warm up, measure, then wait for all that is owed; the load goes on without a break between the two."""
        await self.forget()
        server = Window(self.server.pid, lambda: self.client.arrived)
        client = Window(self.client.pid, lambda: self.client.arrived)
        loading = asyncio.ensure_future(load(protocol.warm_up_s + protocol.measured_s))
        await asyncio.sleep(protocol.warm_up_s)
        server.open()
        client.open()
        await asyncio.sleep(protocol.measured_s)
        server.close()
        client.close()
        await loading
        await self.settle()
        return self.judged(await self.client.told(MAIN), server, client)

    async def settle(self) -> None:
        """Wait until as many have come as are owed, or none has for long: then they are lost."""
        last, since = -1, time.monotonic()
        while self.arrived < self.owed and time.monotonic() < since + SETTLED_WITHIN_S:
            if self.arrived != last:
                last, since = self.arrived, time.monotonic()
            await asyncio.sleep(0.01)
        await asyncio.sleep(FOR_COPIES_S)

    async def forget(self) -> None:
        """Leave out of the account what came before, and what others got: the account begins anew."""
        await asyncio.sleep(FOR_COPIES_S)
        await self.client.told(MAIN)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Let the account begin now, with nothing owed and nothing on its way."""
        self.ledger = Ledger()
        self._elsewhere = self.client.arrived - self.owed
        self._ended = self.client.ended

    def judged(self, told: Told, server: Window, client: Window) -> Run:
        """Hold what came against what was owed."""
        every = {one.client for one in told.came}
        came = [(one.client, one.number) for one in told.came]
        return Run(
            per_s=server.arrived / server.seconds,
            cpu_us=server.cpu_us,
            server_share=server.share,
            client_share=client.share,
            late=[(one.at_us - one.due_us) / 1000 for one in told.came if server.holds(one.due_us)],
            account=counted(self.ledger.owed_to_each(self.audiences), told.counts),
            sampled=account(self.ledger.owed_to(self.audiences, every), came),
            disordered=disorder(told.came),
            gaps=told.gaps,
            ended=self.client.ended - self._ended,
        )


def _status(status: str) -> str:
    return "no answer" if status == "0" else status
