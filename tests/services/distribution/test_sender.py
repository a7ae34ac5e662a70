"""What the sender makes of receivers that mean well, and of addresses it may not call."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from services.distribution.adapters.budgets import Budgets
from services.distribution.outcome import Delivered, GateShut, Refused, Unreachable
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from shared.platform.signature import new_secret, parse_secret, signed_headers
from tests.receivers import friendly
from tests.receivers.recording import Recorder
from tests.receivers.serving import receiving
from tests.services.distribution.senders import NewSender
from tests.waiting import wait_until

QUICK = Budgets(total=0.8, connect=0.4)
BODY = b'{"type": "story.publish", "timestamp": "2026-11-23T12:00:00.000Z", "data": {}}'


def posting(url: str, *headers: tuple[str, str]) -> SendRequest:
    return SendRequest(url, [("content-type", "application/json"), ("user-agent", "Slugline/0.1"), *headers], BODY)


class Lookup:
    """A name server of ours: every name has the given addresses."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.addresses


def resolving_to(*addresses: str) -> Lookup:
    return Lookup(addresses)


async def test_a_2xx_answer_is_a_delivery(new_sender: NewSender) -> None:
    """Body and headers arrive as given, and the start of the answer is kept for the owner."""
    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url, ("x-own", "kept")))
    [request] = receiver.requests
    assert answer.outcome == Delivered(200)
    assert answer.excerpt == "thanks"
    assert (request.method, request.target, request.body) == ("POST", "/hook", BODY)
    assert request.header("x-own") == "kept"


async def test_the_transport_headers_are_the_senders_own(new_sender: NewSender) -> None:
    """Identity encoding is asked for, and a header that frames or routes cannot be smuggled in."""
    smuggled = [("Transfer-Encoding", "chunked"), ("Host", "other.example.com"), ("Accept-Encoding", "gzip")]
    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url, *smuggled))
    [request] = receiver.requests
    assert answer.outcome == Delivered(200)
    assert request.header("accept-encoding") == "identity"
    assert request.header("host") == f"127.0.0.1:{receiver.port}"
    assert request.header("transfer-encoding") is None
    assert request.header("user-agent") == "Slugline/0.1"
    assert request.header("cookie") is None


@pytest.mark.parametrize("value", ["a\r\nx-evil: b", "a\nx-evil: b", "a\rx-evil: b", "a\0b"])
async def test_a_header_that_cannot_be_written_is_an_outcome(new_sender: NewSender, value: str) -> None:
    """A stray line break in one endpoint's settings must not end the loop that serves all of them."""
    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url, ("x-own", value)))
    assert answer.outcome == Unreachable("protocol", "the request could not be written")
    assert receiver.requests == []


@pytest.mark.parametrize("status", [202, 204, 299])
async def test_every_2xx_is_success(new_sender: NewSender, status: int) -> None:
    """Accepted or without content: the receiver has it."""
    async with receiving(friendly.answering(status)) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Delivered(status)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 410, 418, 429, 500, 503, 599])
async def test_nothing_but_2xx_is_success(new_sender: NewSender, status: int) -> None:
    """The status is kept, for what follows depends on it."""
    async with receiving(friendly.answering(status)) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Refused(status)


async def test_the_wait_a_receiver_asks_for_is_read(new_sender: NewSender) -> None:
    """A busy receiver's Retry-After is part of the outcome, the longest if there are two."""
    busy = friendly.answering(503, headers=[("Retry-After", "30"), ("Retry-After", "120")])
    async with receiving(busy) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Refused(503, timedelta(seconds=120))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_refusal(new_sender: NewSender, status: int) -> None:
    """Nothing is sent where a receiver points, least of all inside."""
    async with (
        receiving(friendly.healthy) as inside,
        receiving(friendly.redirecting(inside.url, status)) as receiver,
        new_sender(EgressPolicy(receiver.allow | inside.allow)) as sender,
    ):
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Refused(status)
    assert inside.connections == 0


async def test_cookies_are_not_kept(new_sender: NewSender) -> None:
    """A receiver cannot mark the sender."""
    sticky = friendly.answering(200, headers=[("Set-Cookie", "who=you; Path=/")])
    async with receiving(sticky) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        await sender.send(posting(receiver.url))
        await sender.send(posting(receiver.url))
    assert [request.header("cookie") for request in receiver.requests] == [None, None]


async def test_a_connection_is_kept_for_the_next_delivery(new_sender: NewSender) -> None:
    """Two deliveries, one connection; the second has no time for name, connecting or handshake."""
    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        first = await sender.send(posting(receiver.url))
        second = await sender.send(posting(receiver.url))
    assert receiver.connections == 1
    assert first.timing.connect is not None
    assert (second.timing.dns, second.timing.connect, second.timing.tls) == (None, None, None)
    assert second.timing.first_byte is not None
    assert second.timing.total >= second.timing.first_byte


async def test_a_kept_connection_is_not_used_for_ever(new_sender: NewSender) -> None:
    """A name that moved must be looked up again one day."""
    aged = Budgets(max_age=0.0)
    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy(receiver.allow), aged) as sender:
        await sender.send(posting(receiver.url))
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Delivered(200)
    assert receiver.connections == 2


async def test_many_deliveries_to_one_host_go_at_once(new_sender: NewSender) -> None:
    """The pool sets no limit of its own: a hundred held answers hold a hundred connections, and all end."""
    go = asyncio.Event()
    async with receiving(friendly.held(go)) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        sending = [asyncio.create_task(sender.send(posting(receiver.url))) for _ in range(100)]
        await wait_until(lambda: len(receiver.requests) == 100, within=10)
        go.set()
        answers = await asyncio.gather(*sending)
    assert {answer.outcome for answer in answers} == {Delivered(200)}


async def test_nobody_listening_is_a_connect_failure(new_sender: NewSender) -> None:
    """A refused connection is a value, not an error."""
    async with receiving(friendly.healthy) as receiver:
        pass
    async with new_sender(EgressPolicy(receiver.allow)) as sender:
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Unreachable("connect", "no connection could be made")


async def test_the_next_address_is_tried_when_one_is_dead(new_sender: NewSender) -> None:
    """A name with two addresses is reached while either of them answers, and both were vetted."""
    async with receiving(friendly.healthy, host="127.0.0.2") as receiver:
        policy = EgressPolicy(frozenset({("hooks.example.com", receiver.port)}))
        async with new_sender(policy, lookup=resolving_to("127.0.0.1", "127.0.0.2")) as sender:
            answer = await sender.send(posting(receiver.url_as("hooks.example.com")))
    assert answer.outcome == Delivered(200)


async def test_an_unknown_name_is_a_dns_failure(new_sender: NewSender) -> None:
    """A name server that knows nothing, or answers with nothing, gives the same value."""

    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for lookup in (unknown, resolving_to()):
        async with new_sender(EgressPolicy(), lookup=lookup) as sender:
            answer = await sender.send(posting("https://hooks.example.com/in"))
        assert answer.outcome == Unreachable("dns", "the name could not be resolved")


async def test_a_silent_name_server_costs_its_budget_only(new_sender: NewSender) -> None:
    """The attempt ends in time while the look-up is still waiting, and a hundred attempts share one look-up."""
    asked: list[str] = []
    go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def waiting(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()
        return ["127.0.0.1"]

    async with new_sender(EgressPolicy(), QUICK, lookup=waiting) as sender:
        request = posting("https://hooks.example.com/in")
        answers = await asyncio.gather(*(sender.send(request) for _ in range(100)))
        go.set()
    assert {answer.outcome for answer in answers} == {Unreachable("dns", "the name was not resolved within 0.4 s")}
    assert asked == ["hooks.example.com"]


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("127.0.0.1", "loopback"),
        ("10.0.0.1", "private"),
        ("169.254.169.254", "cloud metadata"),
        ("::1", "loopback"),
        ("::ffff:10.0.0.1", "private inside IPv4-mapped"),
        ("fe80::1", "link-local"),
    ],
)
async def test_a_name_that_resolves_inside_is_refused(new_sender: NewSender, address: str, rule: str) -> None:
    """Nothing is connected, and the outcome names the address, the rule and where it comes from."""
    async with receiving(friendly.healthy) as receiver:
        policy = EgressPolicy(ports=frozenset({receiver.port}), allow_http=True)
        async with new_sender(policy, lookup=resolving_to(address)) as sender:
            answer = await sender.send(posting(receiver.url_as("hooks.example.com")))
    assert isinstance(answer.outcome, Unreachable)
    assert answer.outcome.kind == "refused_address"
    assert answer.outcome.detail.startswith(f"hooks.example.com resolves to {address}, which is {rule} (")
    assert receiver.connections == 0


async def test_one_bad_address_refuses_the_good_ones_beside_it(new_sender: NewSender) -> None:
    """A name that has a public address and loopback is refused whole."""
    lookup = resolving_to("93.184.215.14", "127.0.0.1")
    async with new_sender(EgressPolicy(), lookup=lookup) as sender:
        answer = await sender.send(posting("https://hooks.example.com/in"))
    assert isinstance(answer.outcome, Unreachable)
    assert answer.outcome.kind == "refused_address"


async def test_the_allow_list_lifts_the_rule_for_its_pair_only(new_sender: NewSender) -> None:
    """The listed name reaches loopback; another name for the same address and port does not."""
    async with receiving(friendly.healthy) as receiver:
        policy = EgressPolicy(
            frozenset({("hooks.example.com", receiver.port)}), frozenset({receiver.port}), allow_http=True
        )
        async with new_sender(policy, lookup=resolving_to("127.0.0.1")) as sender:
            listed = await sender.send(posting(receiver.url_as("hooks.example.com")))
            other = await sender.send(posting(receiver.url_as("hooks.example.org")))
            literal = await sender.send(posting(receiver.url))
    assert listed.outcome == Delivered(200)
    assert [answer.outcome.kind for answer in (other, literal) if isinstance(answer.outcome, Unreachable)] == [
        "refused_address",
        "refused_address",
    ]
    assert len(receiver.requests) == 1


async def test_a_url_that_is_no_longer_permitted_is_not_called(new_sender: NewSender) -> None:
    """An endpoint registered under a wider setting is vetted again at every attempt."""
    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy()) as sender:
        answer = await sender.send(posting(receiver.url))
    assert isinstance(answer.outcome, Unreachable)
    assert answer.outcome.kind == "refused_address"
    assert receiver.connections == 0


async def test_the_gate_is_asked_when_the_connection_is_ready(new_sender: NewSender) -> None:
    """A kill that comes while the connection is made stops the bytes; the connection stays good for the next."""
    asked: list[str] = []
    lookup = resolving_to("127.0.0.1")

    def shut() -> bool:
        asked.extend(lookup.asked)
        return False

    async with receiving(friendly.healthy) as receiver:
        policy = EgressPolicy(frozenset({("hooks.example.com", receiver.port)}))
        async with new_sender(policy, lookup=lookup) as sender:
            stopped = await sender.send(posting(receiver.url_as("hooks.example.com")), shut)
            sent = await sender.send(posting(receiver.url_as("hooks.example.com")))
    assert stopped.outcome == GateShut()
    assert asked == ["hooks.example.com"], "the gate was asked before the name was resolved"
    assert sent.outcome == Delivered(200)
    assert (receiver.connections, len(receiver.requests)) == (1, 1)


async def test_an_error_in_the_gate_is_raised(new_sender: NewSender) -> None:
    """A programming error of ours is never booked on a receiver."""

    def broken() -> bool:
        raise LookupError("no such story")

    async with receiving(friendly.healthy) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        with pytest.raises(LookupError, match="no such story"):
            await sender.send(posting(receiver.url), broken)
    assert receiver.requests == []


async def test_cancellation_passes_and_frees_the_connection(new_sender: NewSender) -> None:
    """A stopping service does not wait for a slow receiver."""
    never = asyncio.Event()
    async with receiving(friendly.held(never)) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        task = asyncio.create_task(sender.send(posting(receiver.url)))
        await wait_until(lambda: receiver.requests, within=5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_answer_within_the_budget_is_waited_for(new_sender: NewSender) -> None:
    """A slow receiver is no failing one."""
    async with (
        receiving(friendly.slow(0.2)) as receiver,
        new_sender(EgressPolicy(receiver.allow), Budgets(total=5)) as sender,
    ):
        answer = await sender.send(posting(receiver.url))
    assert answer.outcome == Delivered(200)


async def test_what_is_sent_verifies_at_an_independent_receiver(new_sender: NewSender) -> None:
    """The published library accepts signature and body as they come off the wire; one wrong byte is refused."""
    secret = new_secret()
    headers = signed_headers("dlv_1", int(time.time()), BODY, [parse_secret(secret)])
    recorder = Recorder(secret, answers=[500])
    async with receiving(recorder) as receiver, new_sender(EgressPolicy(receiver.allow)) as sender:
        first = await sender.send(SendRequest(receiver.url, headers, BODY))
        again = await sender.send(SendRequest(receiver.url, headers, BODY))
        forged = await sender.send(SendRequest(receiver.url, headers, BODY + b" "))
    assert (first.outcome, again.outcome, forged.outcome) == (Refused(500), Delivered(200), Refused(401))
    assert recorder.ids == ["dlv_1", "dlv_1"]
    assert len(recorder.unverified) == 1
