"""What the sender shows to a receiver that asks who is calling."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.distribution.outcome import Delivered, Unreachable
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from tests.receivers import friendly
from tests.receivers.authority import Authority
from tests.receivers.serving import Receiver, receiving
from tests.services.distribution.senders import NewSender, OpenSender

NAME = "hooks.example.com"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def sending(new_sender: NewSender, receiver: Receiver, trusted: Authority) -> OpenSender:
    policy = EgressPolicy(frozenset({(NAME, receiver.port)}))
    return new_sender(policy, lookup=lambda host, port: [receiver.host], authorities=trusted.pem)


def posting(receiver: Receiver, certificate: bytes | None) -> SendRequest:
    return SendRequest(receiver.url_as(NAME), [], b"{}", certificate)


async def test_a_receiver_that_demands_a_certificate_gets_it(new_sender: NewSender, authority: Authority) -> None:
    """The endpoint's own certificate opens the door, for every delivery that carries it."""
    async with (
        receiving(friendly.healthy, authority.demanding(NAME)) as receiver,
        sending(new_sender, receiver, authority) as sender,
    ):
        answers = [await sender.send(posting(receiver, authority.client("slugline"))) for _ in range(2)]
    assert [each.outcome for each in answers] == [Delivered(200), Delivered(200)]


async def test_a_receiver_that_demands_a_certificate_refuses_who_has_none(
    new_sender: NewSender, authority: Authority
) -> None:
    """It hangs up, sooner or later in the handshake, and has seen no request."""
    async with (
        receiving(friendly.healthy, authority.demanding(NAME)) as receiver,
        sending(new_sender, receiver, authority) as sender,
    ):
        answered = await sender.send(posting(receiver, None))
    assert isinstance(answered.outcome, Unreachable)
    assert answered.outcome.kind in {"tls", "reset"}
    assert receiver.requests == []


async def test_a_certificate_is_shown_for_its_own_endpoint_only(new_sender: NewSender, authority: Authority) -> None:
    """Two endpoints at one receiver: neither speaks over a connection that was opened in the other's name."""
    async with (
        receiving(friendly.healthy, authority.serving(NAME)) as receiver,
        sending(new_sender, receiver, authority) as sender,
    ):
        plain = posting(receiver, None)
        one, other = authority.client("one"), authority.client("other")
        for request in (plain, replace(plain, client_certificate=one), replace(plain, client_certificate=other)):
            for _ in range(2):
                assert (await sender.send(request)).outcome == Delivered(200)
    assert receiver.connections == 3


async def test_a_certificate_that_cannot_be_used_is_an_outcome(new_sender: NewSender, authority: Authority) -> None:
    """Nothing is connected, and the detail repeats nothing of what may be a key."""
    certificate_only = authority.client("slugline").partition(b"-----BEGIN PRIVATE KEY")[0]
    async with (
        receiving(friendly.healthy, authority.serving(NAME)) as receiver,
        sending(new_sender, receiver, authority) as sender,
    ):
        for wrong in (b"", b"not a certificate", certificate_only):
            answered = await sender.send(posting(receiver, wrong))
            assert answered.outcome == Unreachable("tls", "the client certificate of this endpoint cannot be used")
    assert receiver.connections == 0


def test_a_request_does_not_show_its_key(authority: Authority) -> None:
    """Whatever logs a request by its representation logs no secret."""
    assert "PRIVATE KEY" not in repr(SendRequest("https://x.example.com/", [], b"{}", authority.client("slugline")))
