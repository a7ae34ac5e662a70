"""What our own sender does beyond what every sender must, on either event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.sender import WebhookSender
from services.distribution.outcome import Delivered, Refused, Unreachable
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from tests.receivers import friendly, hostile
from tests.receivers.crowd import crowd
from tests.receivers.serving import Peer, Receiver, Script, answer, receiving
from tests.waiting import wait_until

HOST = "127.0.0.1"
MIB = 1024**2
PATIENT = Budgets(total=30.0, connect=10.0)  # what ends well before this was ended by a byte limit


def posting(receiver: Receiver, body: bytes = b"{}") -> SendRequest:
    return SendRequest(receiver.url, [], body)


@pytest.mark.parametrize("script", [hostile.endless_chunk_extension, hostile.endless_trailers, hostile.crumbs])
async def test_framing_without_end_is_cut_by_its_bytes(script: Script) -> None:
    """A body may be small and its wrapping endless: 64 KiB of either are enough, and the status stands."""
    async with receiving(script) as receiver, WebhookSender(EgressPolicy(receiver.allow), PATIENT) as sender:
        answered = await sender.send(posting(receiver))
        await wait_until(lambda: receiver.hung_up, within=5)
    assert answered.outcome == Delivered(200)
    assert receiver.sent < 16 * MIB


async def test_an_answer_that_comes_while_the_body_is_written_is_believed() -> None:
    """A receiver that refuses at the first byte has refused; the rest of the body goes nowhere."""
    async with (
        receiving(hostile.refusing_unread) as receiver,
        WebhookSender(EgressPolicy(receiver.allow), PATIENT) as sender,
    ):
        answered = await sender.send(posting(receiver, bytes(32 * MIB)))
        again = await sender.send(posting(receiver, bytes(32 * MIB)))
    assert (answered.outcome, answered.excerpt) == (Refused(413), "too large")
    assert (again.outcome, again.resent) == (Refused(413), False)
    assert receiver.connections == 2


async def test_a_receiver_that_leaves_while_the_body_is_written_is_a_reset() -> None:
    """It ends then and there, and not when the time is up."""
    async with (
        receiving(hostile.leaving_unread) as receiver,
        WebhookSender(EgressPolicy(receiver.allow), PATIENT) as sender,
    ):
        answered = await sender.send(posting(receiver, bytes(32 * MIB)))
    assert answered.outcome == Unreachable("reset", "the connection died before an answer began")


async def test_an_idle_connection_is_not_kept_for_ever() -> None:
    """The receiver sees it go, though nobody asks for it again."""
    brief = Budgets(keep_alive=0.05)
    async with receiving(friendly.healthy) as receiver, WebhookSender(EgressPolicy(receiver.allow), brief) as sender:
        await sender.send(posting(receiver))
        await wait_until(lambda: receiver.hung_up == 1, within=5)
        answered = await sender.send(posting(receiver))
    assert (answered.outcome, answered.resent) == (Delivered(200), False)
    assert receiver.connections == 2


async def test_the_connection_used_last_is_used_first() -> None:
    """So that the others come of age, and the one at hand is the least likely to be dead."""
    used: list[int] = []
    both = asyncio.Event()

    async def noting(peer: Peer) -> None:
        while await peer.request():
            used.append(peer.number)
            if len(used) >= 2:
                both.set()
            await both.wait()
            await peer.say(answer(200))

    async with receiving(noting) as receiver, WebhookSender(EgressPolicy(receiver.allow)) as sender:
        await asyncio.gather(sender.send(posting(receiver)), sender.send(posting(receiver)))
        for _ in range(3):
            await sender.send(posting(receiver))
    assert len(set(used[:2])) == 2
    assert len(set(used[2:])) == 1


async def test_more_idle_connections_than_allowed_are_not_kept() -> None:
    """Files are finite, and a hundred thousand receivers are not."""
    go = asyncio.Event()
    few = Budgets(kept=1)
    async with receiving(friendly.held(go)) as receiver, WebhookSender(EgressPolicy(receiver.allow), few) as sender:
        sending = [asyncio.create_task(sender.send(posting(receiver))) for _ in range(3)]
        await wait_until(lambda: len(receiver.requests) == 3, within=5)
        go.set()
        await asyncio.gather(*sending)
        await wait_until(lambda: receiver.hung_up == 2, within=5)
        await sender.send(posting(receiver))
    assert receiver.connections == 3


async def test_closing_does_not_wait_for_a_handshake() -> None:
    """What is under way when a service stops is given up at once, as an outcome."""
    async with (
        receiving(hostile.silent, scheme="https") as receiver,
        WebhookSender(EgressPolicy(receiver.allow), PATIENT) as sender,
    ):
        in_hand = asyncio.create_task(sender.send(posting(receiver)))
        await wait_until(lambda: receiver.connections == 1, within=5)
        await sender.close()
        async with asyncio.timeout(5):
            answered = await in_hand
    assert isinstance(answered.outcome, Unreachable)


async def test_an_address_that_hangs_does_not_hold_up_the_next() -> None:
    """The second address is tried beside the first, and the first to connect is used."""
    async with receiving(friendly.healthy, host="127.0.0.2") as receiver:
        policy = EgressPolicy(frozenset({("hooks.example.com", receiver.port)}))
        with black_hole(HOST, receiver.port):
            async with WebhookSender(policy, PATIENT, lambda host, port: [HOST, "127.0.0.2"]) as sender:
                async with asyncio.timeout(5):
                    answered = await sender.send(SendRequest(receiver.url_as("hooks.example.com"), [], b"{}"))
    assert answered.outcome == Delivered(200)


@pytest.fixture
async def hostile_urls() -> AsyncIterator[Sequence[str]]:
    async with crowd() as urls:
        yield urls


@pytest.mark.asyncio(loop_factories=["uvloop"])  # as in production; asyncio's TLS takes 256 KiB for each handshake
async def test_five_hundred_hostile_exchanges_at_once_cost_20_mb(hostile_urls: Sequence[str]) -> None:
    """Every kind of them, in a process of their own: all end in time, and this process hardly grows."""
    allow = frozenset((url.hostname or "", url.port or 0) for url in map(urlsplit, hostile_urls))
    requests = [SendRequest(url, [], bytes(2048)) for url in hostile_urls]
    async with WebhookSender(EgressPolicy(allow), Budgets(total=4.0, connect=4.0)) as sender:
        await asyncio.gather(*map(sender.send, requests))  # one of each: what is built once is not counted
        with growth() as grown:
            answers = await asyncio.gather(*(sender.send(requests[n % len(requests)]) for n in range(500)))
    assert {type(each.outcome) for each in answers} <= {Delivered, Unreachable}
    assert grown[0] <= 20 * MIB


@contextmanager
def growth() -> Iterator[list[int]]:
    """Note by how many bytes the memory of this process grew at its peak within the block."""
    grown: list[int] = []
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # from here on the peak is told anew
    before = _memory("VmRSS")
    yield grown
    grown.append(_memory("VmHWM") - before)


def _memory(what: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) * 1024


@contextmanager
def black_hole(host: str, port: int) -> Iterator[None]:
    """Listen, and let nobody in: the queue of connections is full, so that another one is never answered."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind((host, port))
        listening.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex((host, port))
        yield
