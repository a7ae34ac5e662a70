"""What leaves through an egress proxy, and where it is allowed to go."""

from pathlib import Path

import pytest

from services.distribution.adapters.fallback.sender import AiohttpSender
from services.distribution.adapters.proxy import EgressProxy, parse_proxy
from services.distribution.adapters.sender import WebhookSender
from services.distribution.adapters.senders import sender_from
from services.distribution.outcome import Delivered, Unreachable
from services.distribution.sending import SendRequest
from services.distribution.settings import DistributionSettings
from shared.domain.errors import Misconfigured
from shared.platform.egress import EgressPolicy
from tests.receivers import friendly
from tests.receivers.authority import Authority
from tests.receivers.proxying import Proxy, proxying
from tests.receivers.serving import Receiver, receiving

NAME = "hooks.example.com"


def sending(proxy: Proxy, receiver: Receiver, authorities: str | None = None) -> WebhookSender:
    """Make a sender for whose name server the receiver's address is that of `NAME`."""
    policy = EgressPolicy(frozenset({(NAME, receiver.port)}))
    return WebhookSender(
        policy, lookup=lambda host, port: [receiver.host], authorities=authorities, proxy=parse_proxy(proxy.url)
    )


def posting(receiver: Receiver) -> SendRequest:
    return SendRequest(receiver.url_as(NAME), [], b"{}")


async def test_a_tunnel_is_asked_for_by_the_vetted_address() -> None:
    """The proxy gets no name to resolve; the receiver behind it sees the name."""
    async with receiving(friendly.healthy) as receiver, proxying() as proxy, sending(proxy, receiver) as sender:
        answered = await sender.send(posting(receiver))
    assert answered.outcome == Delivered(200)
    assert proxy.tunnels == [f"127.0.0.1:{receiver.port}"]
    assert receiver.requests[0].header("host") == f"{NAME}:{receiver.port}"


async def test_tls_is_spoken_with_the_receiver_and_not_with_the_proxy(tmp_path: Path) -> None:
    """Certificate and name are checked end to end."""
    authority = Authority(tmp_path)
    async with (
        receiving(friendly.healthy, authority.serving(NAME)) as receiver,
        proxying() as proxy,
        sending(proxy, receiver, authority.pem) as sender,
    ):
        answered = await sender.send(posting(receiver))
    assert answered.outcome == Delivered(200)
    assert answered.timing.tls is not None


async def test_a_tunnel_is_kept_like_any_connection() -> None:
    """Two deliveries, one tunnel."""
    async with receiving(friendly.healthy) as receiver, proxying() as proxy, sending(proxy, receiver) as sender:
        await sender.send(posting(receiver))
        answered = await sender.send(posting(receiver))
    assert answered.outcome == Delivered(200)
    assert len(proxy.tunnels) == 1


async def test_a_refused_address_is_refused_before_the_proxy_is_asked() -> None:
    """The proxy stands inside, where it could reach what nobody outside may."""
    async with proxying() as proxy:
        behind = parse_proxy(proxy.url)
        async with WebhookSender(EgressPolicy(), lookup=lambda host, port: ["10.0.0.1"], proxy=behind) as sender:
            answered = await sender.send(SendRequest("https://hooks.example.com/in", [], b"{}"))
    assert isinstance(answered.outcome, Unreachable)
    assert answered.outcome.kind == "refused_address"
    assert proxy.receiver.connections == 0


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno.\n", "the egress proxy answered 403"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n", "the egress proxy does not speak HTTP"),
        (b"SSH-2.0-proxy\r\n\r\n", "the egress proxy does not speak HTTP"),
        (b"HTTP/1.1 200", "the egress proxy broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "the egress proxy broke off"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel_is_named(reply: bytes, detail: str) -> None:
    """It is no fault of the receiver's, and its owner is told so."""
    async with receiving(friendly.healthy) as receiver, proxying(reply) as proxy, sending(proxy, receiver) as sender:
        answered = await sender.send(posting(receiver))
    assert answered.outcome == Unreachable("connect", detail)
    assert receiver.connections == 0


async def test_the_proxy_is_asked_for_the_next_address() -> None:
    """A name with two addresses is reached while the proxy reaches either of them."""
    async with receiving(friendly.healthy) as receiver, proxying() as proxy:
        policy = EgressPolicy(frozenset({(NAME, receiver.port)}))
        async with WebhookSender(
            policy, lookup=lambda host, port: ["127.0.0.9", "127.0.0.1"], proxy=parse_proxy(proxy.url)
        ) as sender:
            answered = await sender.send(posting(receiver))
    assert answered.outcome == Delivered(200)
    assert proxy.tunnels == [f"127.0.0.9:{receiver.port}", f"127.0.0.1:{receiver.port}"]


async def test_a_proxy_that_is_away_is_named() -> None:
    """Nothing goes around it."""
    async with proxying() as proxy:
        pass
    async with receiving(friendly.healthy) as receiver, sending(proxy, receiver) as sender:
        answered = await sender.send(posting(receiver))
    assert answered.outcome == Unreachable("connect", "the egress proxy cannot be reached")
    assert receiver.connections == 0


async def test_the_proxy_is_told_who_asks() -> None:
    """User and password of the setting go to the proxy, and no further."""
    async with receiving(friendly.healthy) as receiver, proxying() as proxy:
        policy = EgressPolicy(receiver.allow)
        behind = parse_proxy(proxy.url.replace("://", "://wire:p%40ss@"))
        async with WebhookSender(policy, proxy=behind) as sender:
            await sender.send(SendRequest(receiver.url, [], b"{}"))
    assert proxy.receiver.requests[0].header("proxy-authorization") == "Basic d2lyZTpwQHNz"
    assert receiver.requests[0].header("proxy-authorization") is None


def test_no_setting_is_no_proxy() -> None:
    """And one that is not a proxy's address stops the start, without repeating the password in it."""
    assert parse_proxy("") is None
    assert parse_proxy("http://proxy.internal:3128") == EgressProxy("proxy.internal", 3128)
    for wrong in ("proxy.internal:3128", "https://u:secret@proxy:1", "http://u:secret@proxy", "http://u:secret@p:x"):
        with pytest.raises(Misconfigured) as refused:
            parse_proxy(wrong)
        assert "secret" not in str(refused.value)


async def test_the_setting_chooses_the_sender() -> None:
    """Our own unless told otherwise; aiohttp's cannot keep a proxy from resolving names, so it takes none."""
    own = sender_from(DistributionSettings())
    fallback = sender_from(DistributionSettings(webhook_client="aiohttp"))
    assert (type(own), type(fallback)) == (WebhookSender, AiohttpSender)
    await own.close()
    await fallback.close()
    with pytest.raises(Misconfigured, match="WIRE_EGRESS_PROXY needs WIRE_WEBHOOK_CLIENT=own"):
        sender_from(DistributionSettings.model_validate({"webhook_client": "aiohttp", "egress_proxy": "http://p:1"}))
