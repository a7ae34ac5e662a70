"""What happens when a kept connection turns out to be dead."""

import asyncio

import pytest

from services.distribution.outcome import Delivered, Unreachable
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from tests.receivers import hostile
from tests.receivers.serving import Peer, Script, answer, receiving
from tests.services.distribution.senders import NewSender
from tests.waiting import wait_until

DIED = Unreachable("reset", "the connection died before an answer began")


@pytest.mark.parametrize(
    "script", [hostile.stale_after(1), hostile.stale_after(1, then=Peer.reset)], ids=["closed", "reset"]
)
async def test_a_kept_connection_that_died_is_repeated_once_at_once(new_sender: NewSender, script: Script) -> None:
    """The receiver had closed the idle connection: the same bytes go out again on a new one, as one attempt."""
    async with receiving(script) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        request = SendRequest(receiver.url, [("webhook-id", "dlv_1")], b"{}")
        first = await sender.send(request)
        second = await sender.send(request)
    assert (first.outcome, first.resent) == (Delivered(200), False)
    assert (second.outcome, second.resent) == (Delivered(200), True)
    assert receiver.connections == 2
    assert len(receiver.requests) == 3
    assert {seen.header("webhook-id") for seen in receiver.requests} == {"dlv_1"}


async def test_the_repetition_passes_the_gate_again(new_sender: NewSender) -> None:
    """A kill that arrived between the two stops the second; the first outcome stands, for it may have arrived."""
    openings = iter([True, True, False])
    async with (
        receiving(hostile.stale_after(1)) as receiver,
        new_sender(EgressPolicy(receiver.allow)) as sender,
    ):
        request = SendRequest(receiver.url, [], b"{}")
        await sender.send(request, lambda: next(openings))
        stopped = await sender.send(request, lambda: next(openings))
    assert (stopped.outcome, stopped.resent) == (DIED, False)
    assert len(receiver.requests) == 2


async def test_a_new_connection_that_dies_is_not_repeated(new_sender: NewSender) -> None:
    """Then it is the receiver that fails, and the retry schedule decides."""
    async with receiving(hostile.closing_early) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answered = await sender.send(SendRequest(receiver.url, [], b"{}"))
    assert (answered.outcome, answered.resent) == (DIED, False)
    assert len(receiver.requests) == 1


async def test_the_repetition_is_not_repeated(new_sender: NewSender) -> None:
    """A receiver that only ever answers once and then hangs up gets two tries, not a storm."""
    seen = 0

    async def answering_once(peer: Peer) -> None:
        nonlocal seen
        while await peer.request():
            seen += 1
            if seen > 1:
                return
            await peer.say(answer(200))

    async with receiving(answering_once) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        request = SendRequest(receiver.url, [], b"{}")
        await sender.send(request)
        answered = await sender.send(request)
    assert (answered.outcome, answered.resent) == (DIED, True)
    assert len(receiver.requests) == 3


async def test_a_sender_that_is_closed_repeats_nothing(new_sender: NewSender) -> None:
    """A stopping service's own hanging up is not mistaken for the receiver's."""

    async def answering_once(peer: Peer) -> None:
        await peer.request()
        await peer.say(answer(200))
        await peer.request()
        await peer.until_gone()

    async with receiving(answering_once) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        request = SendRequest(receiver.url, [], b"{}")
        await sender.send(request)
        in_hand = asyncio.create_task(sender.send(request))
        await wait_until(lambda: len(receiver.requests) == 2, within=5)
        await sender.close()
        answered = await in_hand
    assert (answered.outcome, answered.resent) == (DIED, False)
    assert receiver.connections == 1


async def test_a_connection_is_not_kept_against_its_receivers_word(new_sender: NewSender) -> None:
    """Who announces the end of the connection may stay, but is not spoken to again over it."""
    async with (
        receiving(hostile.lying_about_closing) as receiver,
        new_sender(EgressPolicy(receiver.allow)) as sender,
    ):
        request = SendRequest(receiver.url, [], b"{}")
        answers = [await sender.send(request) for _ in range(2)]
    assert [(each.outcome, each.resent) for each in answers] == [(Delivered(200), False)] * 2
    assert receiver.connections == 2


async def test_a_connection_that_died_inside_an_answer_is_not_repeated(new_sender: NewSender) -> None:
    """The receiver had begun to answer: it has the delivery, and only the schedule may repeat it."""

    async def breaking_off(peer: Peer) -> None:
        await peer.request()
        await peer.say(answer(200))
        await peer.request()
        await peer.say(b"HTTP/1.1 2")

    async with receiving(breaking_off) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        request = SendRequest(receiver.url, [], b"{}")
        await sender.send(request)
        answered = await sender.send(request)
    assert answered.outcome == Unreachable("truncated", "the connection died inside the answer")
    assert len(receiver.requests) == 2
