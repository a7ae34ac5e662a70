"""What the sender makes of certificates: right, wrong and out of date."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from services.distribution.outcome import Delivered, Unreachable
from services.distribution.sending import Answer, SendRequest
from shared.platform.egress import EgressPolicy
from tests.receivers import friendly, hostile
from tests.receivers.authority import Authority
from tests.receivers.serving import Receiver, receiving
from tests.services.distribution.senders import NewSender

NAME = "hooks.example.com"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def call(new_sender: NewSender, receiver: Receiver, trusted: Authority, times: int = 1) -> list[Answer]:
    """POST under the name that a name server of ours resolves to the receiver."""
    policy = EgressPolicy(frozenset({(NAME, receiver.port)}))
    async with new_sender(policy, lookup=lambda host, port: [receiver.host], authorities=trusted.pem) as sender:
        return [await sender.send(SendRequest(receiver.url_as(NAME), [], b"{}")) for _ in range(times)]


async def test_the_certificate_is_checked_against_the_name(new_sender: NewSender, authority: Authority) -> None:
    """The connection goes to an address, the handshake and the Host header to the name."""
    async with receiving(friendly.healthy, authority.serving(NAME)) as receiver:
        [answer] = await call(new_sender, receiver, authority)
    assert answer.outcome == Delivered(200)
    assert receiver.requests[0].header("host") == f"{NAME}:{receiver.port}"


async def test_a_certificate_for_another_name_is_refused(new_sender: NewSender, authority: Authority) -> None:
    """Who holds the address but not the name gets nothing."""
    async with receiving(friendly.healthy, authority.serving("other.example.com")) as receiver:
        [answer] = await call(new_sender, receiver, authority)
    assert answer.outcome == Unreachable("tls", "the certificate is not valid for this name")
    assert receiver.requests == []


async def test_an_unknown_authority_is_refused(new_sender: NewSender, authority: Authority, tmp_path: Path) -> None:
    """Anybody can sign a certificate for anybody's name."""
    (tmp_path / "stranger").mkdir()
    async with receiving(friendly.healthy, Authority(tmp_path / "stranger").serving(NAME)) as receiver:
        [answer] = await call(new_sender, receiver, authority)
    assert answer.outcome == Unreachable("tls", "the certificate is not valid for this name")
    assert receiver.requests == []


async def test_a_certificate_that_has_run_out_is_refused(new_sender: NewSender, authority: Authority) -> None:
    """Yesterday's certificate is no certificate."""
    async with receiving(friendly.healthy, authority.serving(NAME, valid_for=-timedelta(hours=1))) as receiver:
        [answer] = await call(new_sender, receiver, authority)
    assert answer.outcome == Unreachable("tls", "the certificate is not valid for this name")


async def test_a_receiver_without_tls_is_a_tls_failure(new_sender: NewSender, authority: Authority) -> None:
    """Plain HTTP behind an https URL is not spoken to."""
    async with receiving(hostile.not_http, scheme="https") as receiver:
        [answer] = await call(new_sender, receiver, authority)
    assert answer.outcome == Unreachable("tls", "the TLS handshake failed")


def test_each_step_has_its_own_time_on_either_event_loop(new_sender: NewSender, authority: Authority) -> None:
    """Name, connection, handshake and first byte are told apart, and a kept connection has none of the first three."""

    async def twice() -> list[Answer]:
        async with receiving(friendly.healthy, authority.serving(NAME)) as receiver:
            return await call(new_sender, receiver, authority, times=2)

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            first, second = runner.run(twice())
        steps = (first.timing.dns, first.timing.connect, first.timing.tls, first.timing.first_byte)
        assert all(step is not None and step > 0 for step in steps)
        assert sum(step for step in steps if step is not None) <= first.timing.total
        assert (second.timing.dns, second.timing.connect, second.timing.tls) == (None, None, None)
