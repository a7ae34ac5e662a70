"""What a hostile receiver costs the sender: the time budget, 64 KiB, one connection, and nothing else."""

import asyncio
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from services.distribution.adapters.budgets import Budgets
from services.distribution.outcome import Delivered, Outcome, Refused, Unreachable
from services.distribution.sending import Answer, SendRequest
from shared.platform.egress import EgressPolicy
from tests.receivers import friendly, hostile
from tests.receivers.serving import Peer, Receiver, Script, answer, receiving
from tests.services.distribution.senders import NewSender
from tests.waiting import wait_until

QUICK = Budgets(total=0.5, connect=0.3)
PATIENT = Budgets(total=30.0, connect=10.0)  # what ends well before this was ended by a byte limit
MIB = 1024**2
OUT_OF_TIME = Unreachable("timeout", "no whole answer within 0.5 s")
NO_END = Unreachable("protocol", "the answer is not HTTP, or its head does not end")
NOT_HTTP = Unreachable("protocol", "the answer is not well-formed HTTP/1.1")
CUT_BODY = Unreachable("truncated", "the answer ended before the length it had announced")


async def call(
    new_sender: NewSender, script: Script, budgets: Budgets = QUICK, body: bytes = b"{}", scheme: str = "http"
) -> Answer:
    answered, _ = await call_and_look(new_sender, script, budgets, body, scheme)
    return answered


async def call_and_look(
    new_sender: NewSender, script: Script, budgets: Budgets = QUICK, body: bytes = b"{}", scheme: str = "http"
) -> tuple[Answer, Receiver]:
    """POST to `script`, wait until its connection has ended too, and return the answer and what the script saw."""
    async with (
        asyncio.timeout(10),
        receiving(script, scheme=scheme) as receiver,
        new_sender(EgressPolicy(receiver.allow), budgets) as sender,
    ):
        return await sender.send(SendRequest(receiver.url, [], body)), receiver


@pytest.mark.parametrize(
    "script",
    [hostile.hanging, hostile.silent, hostile.dripping_head(), hostile.dripping_body()],
    ids=["hanging", "silent", "dripping head", "dripping body"],
)
async def test_a_receiver_that_takes_its_time_is_cut_off(new_sender: NewSender, script: Script) -> None:
    """The budget covers the whole exchange, however lively the connection looks."""
    assert (await call(new_sender, script)).outcome == OUT_OF_TIME


async def test_a_handshake_that_never_ends_is_cut_off(new_sender: NewSender) -> None:
    """Connecting has its own, shorter budget, and TLS is part of connecting."""
    answered = await call(new_sender, hostile.silent, scheme="https")
    assert answered.outcome == Unreachable("timeout", "no TLS handshake within 0.3 s")
    assert answered.timing.connect is not None


@pytest.mark.parametrize(
    "script",
    [hostile.endless_headers, hostile.one_endless_header, hostile.informational_flood],
    ids=["endless headers", "one endless header", "endless interim answers"],
)
async def test_a_head_that_never_ends_is_cut_by_its_bytes(new_sender: NewSender, script: Script) -> None:
    """A flood is not read until the time is up, for all that time it would keep a processor busy."""
    answered, receiver = await call_and_look(new_sender, script, PATIENT)
    assert isinstance(answered.outcome, Unreachable)
    assert answered.outcome.kind == "protocol"
    assert receiver.sent < 16 * MIB


async def test_a_few_interim_answers_are_read_past(new_sender: NewSender) -> None:
    """Early hints and the like are legal, wherever the network cuts them."""

    async def hinting(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 1")
        await asyncio.sleep(0.02)
        await peer.say(b"02 Processing\r\n\r\n" + answer(200, b"at last"))

    answered = await call(new_sender, hinting)
    assert (answered.outcome, answered.excerpt) == (Delivered(200), "at last")


async def test_a_long_head_and_its_body_are_read_in_any_pieces(new_sender: NewSender) -> None:
    """A head of several steps with a body right behind it loses nothing."""
    body = b"0123456789" * 3000
    headers = [(f"X-Header-{n}", "v" * 1000) for n in range(20)]
    answered = await call(new_sender, friendly.answering(200, body, headers), PATIENT)
    assert (answered.outcome, answered.excerpt) == (Delivered(200), body[:1024].decode())


async def test_a_flood_of_interim_answers_is_not_kept(new_sender: NewSender) -> None:
    """A hundred of them at once take next to no memory: none is queued for anybody to read."""
    tracemalloc.start()
    try:
        async with (
            receiving(hostile.informational_burst) as receiver,
            new_sender(EgressPolicy(receiver.allow), PATIENT) as sender,
        ):
            request = SendRequest(receiver.url, [], b"{}")
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            answers = await asyncio.gather(*(sender.send(request) for _ in range(100)))
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {answered.outcome for answered in answers} == {NO_END}
    assert peak - before < 100 * 256 * 1024


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_huge_body_is_read_to_64_kib(new_sender: NewSender, chunked: bool) -> None:
    """It is a delivery: the status is known, and nobody wants the rest."""
    answered, receiver = await call_and_look(new_sender, hostile.huge_body(chunked=chunked), PATIENT)
    assert answered.outcome == Delivered(200)
    assert answered.excerpt == "0" * 1024
    assert receiver.sent < 16 * MIB, "what kernel buffers hold, out of 10 GiB"


async def test_a_body_is_not_inflated(new_sender: NewSender) -> None:
    """A gzip bomb stays as small as it travelled, and its excerpt shows bytes, not zeros."""
    answered = await call(new_sender, hostile.gzip_bomb, PATIENT)
    assert answered.outcome == Delivered(200)
    assert answered.excerpt.startswith("\x1f\\x8b")


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (hostile.closing_early, Unreachable("reset", "the connection died before an answer began")),
        (hostile.resetting, Unreachable("reset", "the connection died before an answer began")),
        (hostile.closing_inside_head, Unreachable("truncated", "the connection died inside the answer")),
        (hostile.truncated_body, CUT_BODY),
        (hostile.truncated_chunks, CUT_BODY),
        (hostile.two_lengths, NOT_HTTP),
        (hostile.length_and_chunked, NOT_HTTP),
        (hostile.not_http, NOT_HTTP),
    ],
)
async def test_a_broken_answer_is_named(new_sender: NewSender, script: Script, outcome: Outcome) -> None:
    """A 200 that did not arrive whole is no delivery, and the owner is told in which way it failed."""
    assert (await call(new_sender, script)).outcome == outcome


async def test_chunks_that_are_no_chunks_are_no_delivery(new_sender: NewSender) -> None:
    """A body that cannot be framed may be anybody's: the 200 before it does not count."""
    answered = await call(new_sender, hostile.broken_chunks)
    assert isinstance(answered.outcome, Unreachable)
    assert answered.outcome.kind in {"protocol", "truncated"}


async def test_a_failure_status_stands_whatever_follows_it(new_sender: NewSender) -> None:
    """A receiver that says 503 and then drips its body has said 503."""

    async def failing(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 503 no\r\nContent-Length: 9\r\nRetry-After: 7\r\n\r\nso")
        await peer.until_gone()

    answered = await call(new_sender, failing)
    assert isinstance(answered.outcome, Refused)
    assert answered.outcome.status == 503
    assert answered.outcome.retry_after is not None
    assert answered.excerpt == "so"


async def test_a_switch_of_protocols_is_a_refusal(new_sender: NewSender) -> None:
    """Nobody asked for another protocol."""

    async def switching(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        await peer.until_gone()

    assert (await call(new_sender, switching)).outcome == Refused(101)


async def test_a_receiver_that_never_reads_does_not_keep_the_body(new_sender: NewSender) -> None:
    """When the time is up the connection is gone, unsent bytes with it: closing politely would wait for ever."""
    async with (
        receiving(hostile.never_reading) as receiver,
        new_sender(EgressPolicy(receiver.allow), QUICK) as sender,
    ):
        answered = await sender.send(SendRequest(receiver.url, [], bytes(32 * MIB)))
        assert answered.outcome == OUT_OF_TIME
        await wait_until(lambda: _open_connections(receiver) == 0, within=5)


async def test_an_answer_before_the_request_was_read_frees_the_connection(new_sender: NewSender) -> None:
    """A receiver may answer early; what it will not read is dropped with the connection."""
    async with (
        receiving(hostile.answering_unread) as receiver,
        new_sender(EgressPolicy(receiver.allow), QUICK) as sender,
    ):
        await sender.send(SendRequest(receiver.url, [], bytes(32 * MIB)))
        await wait_until(lambda: _open_connections(receiver) == 0, within=5)


@pytest.mark.parametrize("script", [hostile.surplus_answer, hostile.answering_unasked, hostile.muttering])
async def test_an_answer_nobody_asked_for_spoils_no_other(new_sender: NewSender, script: Script) -> None:
    """The second delivery gets a connection, and so an answer, of its own: nothing lies in wait for it."""
    async with receiving(script) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        request = SendRequest(receiver.url, [], b"{}")
        first = await sender.send(request)
        await wait_until(lambda: receiver.hung_up == 1, within=5)
        second = await sender.send(request)
    assert (first.outcome, first.excerpt) == (Delivered(200), "mine")
    assert (second.outcome, second.excerpt) == (Delivered(200), "mine")
    assert receiver.connections == 2


async def test_hostile_receivers_do_not_hold_up_a_healthy_one(new_sender: NewSender) -> None:
    """With two hundred exchanges stuck, one that is well is answered long before their time is up."""
    slow = replace(PATIENT, total=60.0)
    async with (
        receiving(hostile.hanging) as bad,
        receiving(friendly.healthy) as good,
        new_sender(EgressPolicy(bad.allow | good.allow), slow) as sender,
    ):
        stuck = [asyncio.create_task(sender.send(SendRequest(bad.url, [], b"{}"))) for _ in range(200)]
        await wait_until(lambda: len(bad.requests) == 200, within=20)
        answered = await sender.send(SendRequest(good.url, [], b"{}"))
        assert not any(task.done() for task in stuck)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
    assert answered.outcome == Delivered(200)


async def test_the_excerpt_is_text_that_can_be_stored(new_sender: NewSender) -> None:
    """A character cut at the limit is left off; bytes that are no text are shown as their escapes."""
    cut = await call(new_sender, friendly.answering(400, b"a" + "é".encode() * 600))
    assert cut.excerpt == "a" + "é" * 511
    bytes_shown = await call(new_sender, friendly.answering(400, b"\xff ok"))
    assert bytes_shown.excerpt == "\\xff ok"


def _open_connections(receiver: Receiver) -> int:
    """Count the established connections to a receiver, by the kernel's table."""
    wanted = f"0100007F:{receiver.port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[2] == wanted and row[3] in {"01", "04", "05"})
