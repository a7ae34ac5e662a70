"""Can a dangerous address be spelled so that it is not known for one? Every form that a resolver would read."""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.addresses import judge
from shared.domain.errors import Misconfigured
from shared.platform.egress import EgressPolicy, UrlRefused, parse_ports, policy_of, vet_answers, vet_url
from tests.domain.dangerous import ALL

STRICT = EgressPolicy()
INSIDE: Final = [int(IPv4Address(address)) for address in ALL if ":" not in address]
BASES: Final[Sequence[Callable[[int], str]]] = (
    str,
    hex,
    lambda n: f"0{n:o}",
    lambda n: f"0X{n:08X}",
    "{:03d}".format,
)
LETTERS: Final = ("", str.maketrans("0123456789.", "０１２３４５６７８９．"), str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨"))


def spelled(number: int, parts: int, bases: Sequence[int], letters: int, dot: str) -> str:
    """An IPv4 address in `parts` numbers, the last one holding what is left, each in a base of its own."""
    left = 32 - 8 * (parts - 1)
    values = [number >> shift & 0xFF for shift in range(24, left - 1, -8)][: parts - 1]
    values.append(number & ((1 << left) - 1))
    text = ".".join(BASES[base](value) for base, value in zip(bases, values, strict=False))
    return (text.translate(LETTERS[letters]) if letters else text) + dot


SPELLINGS = st.builds(
    spelled,
    st.one_of(st.sampled_from(INSIDE), st.integers(0, 2**32 - 1)),
    st.integers(1, 4),
    st.lists(st.integers(0, len(BASES) - 1), min_size=4, max_size=4),
    st.integers(0, len(LETTERS) - 1),
    st.sampled_from(["", "."]),
)


def read_by_a_resolver(host: str) -> str | None:
    """The address that the system would call for this host without asking anybody; None for a name."""
    try:
        [first, *_] = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(first[4][0])


@given(SPELLINGS)
@example("0x7f000001")
@example("0177.1")
@example("8.8.8.8")
@example("134744072")
def test_what_passes_is_read_by_everybody_as_the_address_that_was_judged(host: str) -> None:
    """A spelling is refused, or is the one canonical form of a public address."""
    try:
        vetted = vet_url(f"https://{host}/in", STRICT)
    except UrlRefused:
        return
    assert read_by_a_resolver(vetted.host) == vetted.host
    assert judge(vetted.host) is None


@given(st.text(alphabet="0123456789abcdefxX.:%[]-_~oO/@\\", max_size=24))
def test_no_host_that_passes_is_an_address_in_disguise(host: str) -> None:
    """Whatever is put where the host stands: if a resolver reads an address, it is canonical and public."""
    try:
        vetted = vet_url(f"https://{host}/in", STRICT)
    except UrlRefused:
        return
    if (called := read_by_a_resolver(vetted.host)) is not None:
        assert called == vetted.host
        assert judge(called) is None


@pytest.mark.parametrize("address", ALL)
def test_every_dangerous_address_is_refused_as_a_host_and_as_an_answer(address: str) -> None:
    """At registration and at connect alike."""
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UrlRefused):
        vet_url(f"https://{host}/in", STRICT)
    with pytest.raises(UrlRefused):
        vet_answers("hooks.example.com", 443, ["93.184.215.14", address], STRICT)


def test_the_ports_setting_is_what_webhooks_may_go_to() -> None:
    """Both halves of the policy come from settings, and nothing else is let through."""
    policy = policy_of("127.0.0.1:9099", " 443, 9443 ")
    assert vet_url("https://hooks.example.com:9443/in", policy).port == 9443
    assert vet_url("http://127.0.0.1:9099/in", policy).allowed
    with pytest.raises(UrlRefused, match="port 8443 is not one of 443, 9443"):
        vet_url("https://hooks.example.com:8443/in", policy)


@pytest.mark.parametrize("text", ["", "443,", "https", "0", "65536", "443-450", "*"])
def test_a_ports_setting_that_is_no_list_stops_the_start(text: str) -> None:
    """No range, no wildcard, no guess, and not none at all."""
    with pytest.raises(Misconfigured, match="WIRE_ENDPOINT_PORTS"):
        parse_ports(text)
