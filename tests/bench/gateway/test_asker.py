"""What the asking process makes of answers, and how many GETs are due."""

import asyncio

from tests.bench.gateway.asker import ask
from tests.receivers.serving import Peer, answer, receiving
from tests.waiting import wait_until

WHOLE, BUSY = answer(200, b"hello"), answer(503)
HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
WITHIN = 10


async def asked(answers: list[list[bytes]], talks: int, per_s: float, seconds: float) -> tuple[dict[int, int], int]:
    """Ask a server that gives each GET the next of `answers`, in the pieces named: statuses, and how many times."""
    given = 0

    async def serve(peer: Peer) -> None:
        nonlocal given
        while await peer.request():
            pieces, given = answers[given % len(answers)], given + 1
            for piece in pieces:
                await peer.say(piece)

    async with receiving(serve) as server:
        statuses, late = await asyncio.to_thread(ask, (server.host, server.port), [HEAD], talks, per_s, seconds)
        await wait_until(lambda: server.hung_up == talks, WITHIN)
    return dict(statuses), len(late)


async def test_every_answer_is_counted_by_its_status_and_has_a_time() -> None:
    """Also one that comes in pieces."""
    statuses, times = await asked([[WHOLE], [WHOLE[:10], WHOLE[10:30], WHOLE[30:]], [BUSY]], 1, 0, 0.1)
    assert set(statuses) == {200, 503}
    assert times == sum(statuses.values())


async def test_at_a_rate_as_many_are_asked_as_are_due() -> None:
    """However many connections there are."""
    assert await asked([[WHOLE]], 4, 50, 0.2) == ({200: 10}, 10)
