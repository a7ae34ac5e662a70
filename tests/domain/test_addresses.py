"""Which addresses may be called: every special block, its edges, and the disguises of IPv4 inside IPv6."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.addresses import embedded, judge

# The ones that the standard library of Python 3.11 takes for global.
MISTAKEN_FOR_GLOBAL = (
    "192.0.0.192", "192.88.99.1", "224.0.0.1", "233.252.0.16", "239.1.1.1", "::7f00:1", "::ffff:0:7f00:1",
    "::5efe:7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "3fff::1", "2002:7f00:1::1",
    "2002:a9fe:a9fe::", "fec0::1", "ff02::2", "ff0e::1", "5f00::1",
)  # fmt: skip

# One address per rule, and what the rule is called.
RULES = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "100.64.0.1": "shared address space",
    "100.100.100.200": "cloud metadata",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "cloud metadata",
    "169.254.1.1": "link-local",
    "169.254.169.254": "cloud metadata",
    "169.254.170.2": "cloud metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "protocol assignments",
    "192.0.0.192": "cloud metadata",
    "192.0.2.1": "documentation",
    "192.31.196.1": "name-service sink",
    "192.52.193.1": "multicast tunnelling",
    "192.88.99.1": "6to4 relay",
    "192.168.1.1": "private",
    "192.175.48.1": "name-service sink",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.9": "documentation",
    "224.0.0.1": "multicast",
    "233.252.0.16": "documentation",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:808:808": "IPv4-translated",
    "::808:808": "IPv4-compatible",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::808:808": "local NAT64",
    "100::1": "discard only",
    "2001:0:808:808::f7f7:f7f7": "Teredo",
    "2001:2::1": "benchmarking",
    "2001:10::1": "protocol assignments",
    "2001:db8::1": "documentation",
    "2002:808:808::1": "6to4",
    "2620:4f:8000::1": "name-service sink",
    "3ffe::1": "returned 6bone space",
    "3fff::1": "documentation",
    "4000::1": "outside global unicast",
    "5f00::1": "segment routing",
    "fc00::1": "unique local",
    "fd00:ec2::254": "cloud metadata",
    "fd20:ce::254": "cloud metadata",
    "fdff::1": "unique local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
}

# Loopback, private and metadata addresses in every IPv6 disguise.
DISGUISES = {
    "::ffff:127.0.0.1": "loopback inside IPv4-mapped",
    "::ffff:10.0.0.1": "private inside IPv4-mapped",
    "::7f00:1": "loopback inside IPv4-compatible",
    "::ffff:0:7f00:1": "loopback inside IPv4-translated",
    "64:ff9b::a9fe:a9fe": "cloud metadata inside NAT64",
    "64:ff9b:1::c0a8:101": "private inside local NAT64",
    "2002:7f00:1::1": "loopback inside 6to4",
    "2002:a9fe:a9fe::": "cloud metadata inside 6to4",
    "2001:0:a00:1::": "private inside Teredo",
    "2001:0:808:808::80ff:fffe": "loopback inside Teredo",
    "2606:4700::5efe:a00:1": "private inside ISATAP",
    "2606:4700::200:5efe:7f00:1": "loopback inside ISATAP",
}

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
