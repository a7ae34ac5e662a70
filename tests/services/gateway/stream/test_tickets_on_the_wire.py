"""Does a ticket open one stream in all processes together, on every channel, and what is a refused one told?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from services.gateway.stream_access import StreamAccess
from services.gateway.tickets import Stubs, Tickets
from tests.services.gateway.owners import call
from tests.services.gateway.stream.channels import CHANNELS, Channel
from tests.services.gateway.stream.listening import Gateway, Listener, gateway
from tests.services.gateway.stream.releases import released
from tests.services.gateway.twins import SEALER, MemoryStubs, World
from tests.waiting import wait_until

pytestmark = pytest.mark.parametrize("channel", CHANNELS, ids=str)


class SlowStubs(MemoryStubs):
    """Tells nobody anything before `answers` is set; `asked` counts who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.asked = 0

    async def tear(self, name: str, lasts_s: float) -> bool:
        self.asked += 1
        await self.answers.wait()
        return await super().tear(name, lasts_s)


@asynccontextmanager
async def processes(wire: World, stubs: Stubs, count: int = 2, **options: Any) -> AsyncIterator[list[Gateway]]:
    """Gateways that share keys and sealing key, each with tickets of its own."""
    async with AsyncExitStack() as opened:
        made = []
        for _ in range(count):
            access = StreamAccess(
                wire.book, lambda: True, wire.registry, Tickets(wire.clock, SEALER, stubs), wire.gateway.visible
            )
            made.append(await opened.enter_async_context(gateway(authorize=access, **options)))
        yield made


async def ticket(wire: World, who: str = "sue") -> str:
    """A ticket of a process that is none of those who stream."""
    value: str = (await call(wire, "POST", "/v1/stream-tickets", who=who)).json()["ticket"]
    return value


async def show(channel: Channel, running: Gateway, value: str, more: str = "") -> Listener:
    """Show a ticket, and read the head of the answer."""
    return await channel.ask(running, f"ticket={value}{more}", head="")


async def test_a_ticket_opens_one_stream_in_whichever_process(hooks: World, channel: Channel) -> None:
    """Shown again it is 401, in that process and in another."""
    value = await ticket(hooks)
    async with processes(hooks, MemoryStubs()) as (one, other):
        assert (await show(channel, one, value)).status == channel.status
        for running in (one, other):
            again = await show(channel, running, value)
            assert (again.status, again.headers["www-authenticate"]) == (401, "Bearer")
            assert (await again.problem())["detail"] == "this ticket is used, over or unknown"


async def test_of_many_who_show_one_at_once_one_is_let_in(hooks: World, channel: Channel) -> None:
    """Whichever of two processes they come to; and the gateway goes on."""
    value = await ticket(hooks)
    async with processes(hooks, MemoryStubs()) as both:
        answers = await asyncio.gather(*(show(channel, running, value) for running in both * 5))
        assert sorted(answer.status for answer in answers) == [channel.status, *[401] * 9]
        assert (await show(channel, both[0], await ticket(hooks))).status == channel.status


async def test_a_revoked_keys_ticket_opens_nothing(hooks: World, channel: Channel) -> None:
    """It was good when it was made."""
    value = await ticket(hooks)
    async with processes(hooks, MemoryStubs()) as (one, _):
        assert (await hooks.http.delete("/v1/keys/key_sue", headers=hooks.operator)).status_code == 204
        assert (await show(channel, one, value)).status == 401


@pytest.mark.parametrize(("wrong", "status"), [("&subscription=sub_nobody", 404), ("&colour=red", 422)])
async def test_a_refused_request_uses_up_no_ticket(hooks: World, channel: Channel, wrong: str, status: int) -> None:
    """Whoever mends it need not take another."""
    value = await ticket(hooks)
    async with processes(hooks, MemoryStubs()) as (one, other):
        assert (await show(channel, one, value, wrong)).status == status
        assert (await show(channel, other, value)).status == channel.status


async def test_what_is_released_while_a_ticket_is_looked_at_is_not_lost(hooks: World, channel: Channel) -> None:
    """The stream begins once the ticket is used, with all from the cursor on."""
    value, stubs = await ticket(hooks), SlowStubs()
    async with processes(hooks, stubs, 1) as (running,):
        client = await channel.connect(running)
        client.writer.write(channel.request(f"cursor=e1-0-0&ticket={value}", head=""))
        await wait_until(lambda: stubs.asked, within=5)
        assert running.clients() == 0
        running.log.append(released("urn:meanwhile"))
        stubs.answers.set()
        await client.head()
        assert client.status == channel.status
        assert b"urn:meanwhile" in await client.reader.readuntil(b"urn:meanwhile")


async def test_a_client_that_leaves_while_its_ticket_is_looked_at_leaves_nothing(
    hooks: World, channel: Channel
) -> None:
    """And disturbs nobody; its ticket is used."""
    value, stubs = await ticket(hooks), SlowStubs()
    async with processes(hooks, stubs, 1) as (running,):
        client = await channel.connect(running)
        client.writer.write(channel.request(f"ticket={value}", head=""))
        await wait_until(lambda: stubs.asked, within=5)
        client.writer.transport.abort()
        stubs.answers.set()
        assert (await show(channel, running, value)).status == 401
        assert (await show(channel, running, await ticket(hooks))).status == channel.status


async def test_a_keys_connections_are_counted_when_they_open(hooks: World, channel: Channel) -> None:
    """However many tickets of it are looked at in one moment; who finds no room is told when to come back."""
    values, stubs = [await ticket(hooks) for _ in range(4)], SlowStubs()
    async with processes(hooks, stubs, 1, most_per_key=1) as (running,):
        asked = [asyncio.ensure_future(show(channel, running, value, channel.holds)) for value in values]
        await wait_until(lambda: stubs.asked == len(values), within=5)
        stubs.answers.set()
        await wait_until(lambda: running.clients() == 1 and sum(one.done() for one in asked) >= 3, within=5)
        running.log.append(released())
        answers = sorted(await asyncio.gather(*asked), key=lambda client: client.status)
        assert [client.status for client in answers] == [channel.status, *[429] * 3]
        assert answers[-1].headers["retry-after"] == "10"
