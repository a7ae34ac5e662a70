"""Which addresses the resolver and the socket guard let through."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from threading import Event

import pytest
from aiohttp import ClientConnectorError, ClientSession

from services.distribution.adapters.fallback.connector import GatedConnector
from services.distribution.adapters.fallback.exchange import Exchange, current
from services.distribution.adapters.fallback.resolver import AddressRefused, VettingResolver, vetted_sockets
from services.distribution.adapters.names import Lookup, Names, NameUnresolved, system_lookup
from services.distribution.sending import always_open
from shared.platform.egress import EgressPolicy
from tests.receivers import friendly
from tests.receivers.serving import receiving

PUBLIC = "93.184.215.14"


def resolving(lookup: Lookup, policy: EgressPolicy | None = None, budget: float = 5.0) -> VettingResolver:
    return VettingResolver(policy or EgressPolicy(), Names(lookup, budget))


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange in hand for hooks.example.com:443."""
    in_hand = Exchange(host="hooks.example.com", port=443, gate=always_open)
    token = current.set(in_hand)
    yield in_hand
    current.reset(token)


async def test_every_answer_is_handed_on_as_an_address(exchange: Exchange) -> None:
    """IPv4 and IPv6 side by side, each with its family, none left to be resolved again."""
    resolver = resolving(lambda host, port: [PUBLIC, "2606:4700::1111"])
    results = await resolver.resolve("hooks.example.com", 443)
    await resolver.close()
    assert [(result["host"], result["family"]) for result in results] == [
        (PUBLIC, socket.AF_INET),
        ("2606:4700::1111", socket.AF_INET6),
    ]
    assert exchange.resolved_at is not None


async def test_a_name_that_rebinds_is_refused_the_second_time(exchange: Exchange) -> None:
    """Each connection asks anew, so an answer that was good a moment ago counts for nothing."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    resolver = resolving(lambda host, port: next(answers))
    assert await resolver.resolve("hooks.example.com", 443)
    with pytest.raises(AddressRefused, match=r"resolves to 127\.0\.0\.1, which is loopback"):
        await resolver.resolve("hooks.example.com", 443)
    await resolver.close()
    assert exchange.refused is not None
    assert exchange.refused.setting == "WIRE_ENDPOINT_ALLOW=hooks.example.com:443"


def test_the_socket_guard_judges_the_address_itself(exchange: Exchange) -> None:
    """Whatever happened between resolving and connecting, the last word is about the address in hand."""
    make = vetted_sockets(EgressPolicy())
    with pytest.raises(AddressRefused, match=r"169\.254\.169\.254"):
        make((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("169.254.169.254", 443)))
    with make((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (PUBLIC, 443))) as made:
        assert made.family is socket.AF_INET


def test_the_socket_guard_refuses_without_an_exchange() -> None:
    """A connection nobody vouches for is never made."""
    make = vetted_sockets(EgressPolicy())
    with pytest.raises(LookupError):
        make((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (PUBLIC, 443)))


async def test_a_literal_address_meets_the_socket_guard(exchange: Exchange) -> None:
    """The HTTP client never asks the resolver about a literal; the guard is what stands there."""
    policy = EgressPolicy()
    resolver = resolving(lambda host, port: pytest.fail("a literal was resolved"), policy)
    async with receiving(friendly.healthy) as receiver:
        connector = GatedConnector(max_age=60, resolver=resolver, socket_factory=vetted_sockets(policy))
        async with ClientSession(connector=connector) as session:
            with pytest.raises(ClientConnectorError) as raised:
                await session.post(receiver.url)
    await resolver.close()
    assert isinstance(raised.value.os_error, AddressRefused)
    assert receiver.connections == 0


@pytest.mark.usefixtures("exchange")
@pytest.mark.parametrize("error", [socket.gaierror("no such name"), UnicodeError("label too long")])
async def test_a_name_that_cannot_be_resolved_says_so(error: Exception) -> None:
    """Every way a look-up fails ends in the one error that the sender reads."""

    def failing(host: str, port: int) -> Sequence[str]:
        raise error

    resolver = resolving(failing)
    with pytest.raises(NameUnresolved, match="no address"):
        await resolver.resolve("hooks.example.com", 443)
    await resolver.close()


@pytest.mark.usefixtures("exchange")
@pytest.mark.parametrize("count", [0, 65, 4000])
async def test_a_name_with_no_address_or_a_crowd_of_them_is_not_called(count: int) -> None:
    """Judging and trying thousands of addresses is work that a stranger's name server would set us."""
    resolver = resolving(lambda host, port: [PUBLIC] * count)
    with pytest.raises(NameUnresolved, match=f"has {count} addresses"):
        await resolver.resolve("hooks.example.com", 443)
    await resolver.close()


async def test_a_lookup_that_hangs_outlives_nothing(exchange: Exchange) -> None:
    """The waiting ends with the budget and the closing with the waiting, though the thread is still stuck."""
    go = Event()
    resolver = resolving(lambda host, port: [PUBLIC] if go.wait(30) else [], budget=0.05)
    with pytest.raises(NameUnresolved, match=r"no answer within 0\.05 s"):
        await resolver.resolve("hooks.example.com", 443)
    stuck = [thread for thread in threading.enumerate() if thread.name == "resolve"]
    [closed, _] = await asyncio.gather(
        resolver.resolve("hooks.example.com", 443), resolver.close(), return_exceptions=True
    )
    assert str(closed) == "the resolver was closed"
    assert [thread.daemon for thread in stuck] == [True]
    go.set()
    stuck[0].join(5)


def test_the_system_knows_this_machine() -> None:
    """The default look-up returns addresses as text, each once."""
    found = system_lookup("localhost", 443)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found)) > 0
