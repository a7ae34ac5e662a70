"""Who may listen no longer, and how soon does it end?"""

import asyncio
from typing import Literal

import pytest

from services.gateway.stream.ports import Grant, HeaderView
from shared.domain.facts import Facts
from shared.domain.products import Bounds
from shared.domain.subscription import Filter
from tests.services.gateway.stream.listening import gateway
from tests.services.gateway.stream.releases import released
from tests.services.gateway.stream.test_poll import ask, polling
from tests.services.gateway.stream.test_websocket import close_code, raw
from tests.waiting import wait_until

WORLD = Filter(sections=("world",))
ARTS = Filter(sections=("arts",))


class Door:
    """Grants the products of this moment, and keeps nobody who has others."""

    def __init__(self) -> None:
        self.products: Bounds = (WORLD,)

    def authorize(self, _: HeaderView) -> Grant:
        return Grant("acme", key="key_sue", products=self.products)

    def why_not(self, key: str, products: Bounds) -> Literal["revoked", "products"] | None:
        return None if (key, products) == ("key_sue", self.products) else "products"


@pytest.mark.parametrize(("now", "within"), [((ARTS,), "urn:arts"), ((), ""), (None, "urn:arts urn:world")])
async def test_whose_products_change_is_let_go_and_comes_back_within_the_new_ones(now: Bounds, within: str) -> None:
    """At the next heartbeat, and told when to come back; whoever has the same products stays."""
    door = Door()
    async with gateway(authorize=door.authorize, why_not=door.why_not, heartbeat_s=0.2) as running:
        client = await running.listen()
        assert (await client.next()).event == "hello"
        assert (await client.next()).event == "heartbeat"
        door.products = now
        rest = await client.ended()
        assert b"retry: " in rest
        back = await running.listen()
        running.log.append(released("urn:world", facts=Facts(sections=("world",))))
        running.log.append(released("urn:arts", facts=Facts(sections=("arts",))))
        door.products = (WORLD,)
        shown = await back.ended()
        expected = [story for story in ("urn:world", "urn:arts") if story in within]
        assert [story for story in ("urn:world", "urn:arts") if story.encode() in shown] == expected


async def test_a_socket_is_told_to_come_back() -> None:
    """1012, not the 1008 of a revoked key: another connection is welcome."""
    door = Door()
    async with gateway(authorize=door.authorize, why_not=door.why_not, heartbeat_s=0.2) as running:
        client = await raw(running)
        await wait_until(lambda: running.clients() == 1, within=5)
        door.products = ()
        assert await close_code(client) == 1012


async def test_a_long_poll_ends_when_products_change() -> None:
    """With what there is, instead of going by the old ones for a minute."""
    door = Door()
    async with polling(authorize=door.authorize, why_not=door.why_not, heartbeat_s=0.2) as (running, http):
        asked = asyncio.ensure_future(ask(http, wait="30"))
        await wait_until(lambda: running.clients() == 1, within=5)
        door.products = ()
        assert await asyncio.wait_for(asked, 5) == {"events": [], "cursor": "e1-0-0"}
