"""Which addresses may be called: every special block, its edges, and the disguises of IPv4 inside IPv6."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.addresses import embedded, judge
from tests.domain.dangerous import DISGUISES, MISTAKEN_FOR_GLOBAL, RULES

NEIGHBOURS = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2003::1",
    "2606:4700::1111", "2a00:1450:4001:829::200e", "3ffd::1", "2606:4700::5efe:808:808",
)  # fmt: skip


@pytest.mark.parametrize("address", MISTAKEN_FOR_GLOBAL)
def test_what_the_standard_library_takes_for_global_is_refused(address: str) -> None:
    """The eighteen that `is_global` lets through."""
    assert judge(address) is not None


@pytest.mark.parametrize(("address", "rule"), RULES.items())
def test_every_special_block_is_refused_by_its_name(address: str, rule: str) -> None:
    """The owner of an endpoint is told which rule it met."""
    reason = judge(address)
    assert reason is not None
    assert reason.rule == rule


@pytest.mark.parametrize(("address", "rule"), DISGUISES.items())
def test_an_ipv4_address_is_found_in_every_disguise(address: str, rule: str) -> None:
    """The reason names the address inside and the form around it."""
    reason = judge(address)
    assert reason is not None
    assert reason.rule == rule


@pytest.mark.parametrize("address", NEIGHBOURS)
def test_public_addresses_are_not_refused(address: str) -> None:
    """The blocks end where they end: their neighbours are ordinary addresses."""
    assert judge(address) is None


@pytest.mark.parametrize("text", ["", "example.com", "2130706433", "0x7f.1", "017700000001", "127.1", "0", "1.2.3.04"])
def test_text_that_is_no_canonical_address_is_refused(text: str) -> None:
    """What a resolver might read in its own way is not judged, but refused."""
    reason = judge(text)
    assert reason is not None
    assert reason.rule == "unreadable"


@given(st.ip_addresses(v=6).filter(lambda address: int(address) >> 125 != 1))
def test_nothing_outside_global_unicast_is_ever_called(address: IPv6Address) -> None:
    """All of IPv6 but 2000::/3."""
    assert judge(address) is not None


@given(st.ip_addresses(v=4))
def test_a_refused_ipv4_address_is_refused_in_every_form(address: IPv4Address) -> None:
    """No disguise of a bad address is better than the address."""
    number = int(address)
    forms = [number | prefix << 32 for prefix in (0xFFFF, 0xFFFF_0000, 0, 0x64_FF9B << 64, 0x64_FF9B_0001 << 48)]
    forms += [0x2002 << 112 | number << 80, 0x2001 << 112 | number << 64, 0x2606_4700 << 96 | 0x5EFE << 32 | number]
    for form in map(IPv6Address, forms):
        assert address in set(embedded(form))
        assert judge(address) is None or judge(form) is not None


@given(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"]), st.data())
def test_every_address_of_a_private_block_is_refused(block: str, data: st.DataObject) -> None:
    """Not only the ones that come to mind."""
    assert judge(data.draw(st.ip_addresses(network=IPv4Network(block)))) is not None
