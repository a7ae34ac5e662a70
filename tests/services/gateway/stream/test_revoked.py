"""How soon does a revoked key lose its streams, and who else notices?"""

from services.gateway.stream_access import StreamAccess
from tests.services.gateway.stream.channels import SSE, WS, Channel, SocketListener, each
from tests.services.gateway.stream.listening import gateway
from tests.services.gateway.stream.releases import released
from tests.services.gateway.twins import World
from tests.waiting import wait_until


def key_of(name: str) -> str:
    return f"Authorization: Bearer sl_local_{name}\r\n"


def access(wire: World) -> StreamAccess:
    return StreamAccess(wire.book, lambda: True, wire.registry, wire.gateway.tickets, wire.gateway.visible)


@each
async def test_a_revoked_key_loses_its_stream_at_the_next_heartbeat(hooks: World, channel: Channel) -> None:
    """It ends by itself and does not come back; whoever has another key goes on."""
    judge = access(hooks)
    async with gateway(authorize=judge, why_not=judge.why_not, heartbeat_s=0.2) as running:
        sues = await channel.greeted(running, key=key_of("sue"))
        toms = await SSE.greeted(running, key=key_of("tom"))
        assert running.clients() == 2
        assert (await hooks.http.delete("/v1/keys/key_sue", headers=hooks.operator)).status_code == 204
        await wait_until(lambda: running.clients() == 1, within=5)
        running.log.append(released("urn:after"))
        assert b"urn:after" not in await sues.ended()
        assert (await channel.ask(running, head=key_of("sue"))).status == 401
        assert (await toms.until_story("urn:after"))[-1].event == "story"


async def test_a_socket_is_told_that_it_is_its_own_fault(hooks: World) -> None:
    """1008, and the last event says when it might come back with another key."""
    judge = access(hooks)
    async with gateway(authorize=judge, why_not=judge.why_not, heartbeat_s=0.2) as running:
        client = await WS.greeted(running, key=key_of("sue"))
        assert isinstance(client, SocketListener)
        assert (await hooks.http.delete("/v1/keys/key_sue", headers=hooks.operator)).status_code == 204
        assert (await client.ended()).endswith(b"retry")
        assert client.close_code == 1008
