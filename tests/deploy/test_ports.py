"""Ports are taken as asked where they are free, and replaced where they are not."""

import socket
from collections.abc import Iterator

import pytest

from deploy.local.ports import choose_kafka_ports, choose_port, free_port, is_free


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def port_in_use(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port somebody listens on: on loopback, on every IPv4 address, or on every address of both families."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            server.bind((request.param, 0))
        except OSError as error:
            pytest.skip(f"this machine cannot listen on {request.param}: {error}")
        server.listen()
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free(port_in_use: int) -> None:
    """A listener is noticed on whatever address it sits."""
    assert not is_free(port_in_use)


def test_a_free_preferred_port_is_taken() -> None:
    """Who asks for a free port gets it."""
    preferred = free_port()
    assert choose_port(preferred) == preferred


def test_a_preferred_port_in_use_is_replaced(port_in_use: int) -> None:
    """A port in use is answered with another that can be bound."""
    chosen = choose_port(port_in_use)
    assert chosen != port_in_use
    assert is_free(chosen)


def test_a_port_given_away_already_is_replaced() -> None:
    """A port promised to another server counts as taken although nobody listens yet."""
    promised = free_port()
    assert choose_port(promised, but_not=frozenset({promised})) != promised


def test_the_controller_listens_10_000_above_a_preferred_broker_port() -> None:
    """Whoever knows the broker's usual port knows its controller's."""
    preferred = next(port for port in range(9_100, 9_400) if is_free(port) and is_free(port + 10_000))
    assert choose_kafka_ports(preferred) == (preferred, preferred + 10_000)


def test_a_high_broker_port_still_gets_a_controller_port() -> None:
    """10,000 above a high port there is no port: another is chosen."""
    preferred = next(port for port in range(60_000, 65_000) if is_free(port))
    broker, controller = choose_kafka_ports(preferred)
    assert broker == preferred
    assert controller != broker
    assert is_free(controller)


def test_two_ports_of_one_broker_differ() -> None:
    """Broker and controller never share a port."""
    broker, controller = choose_kafka_ports()
    assert broker != controller
