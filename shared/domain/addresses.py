"""Which IP addresses must a webhook never be sent to?

An own table, because `ipaddress.is_global` calls eighteen dangerous addresses global (multicast, NAT64 and
6to4 forms of loopback, a cloud's metadata address and others).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an address is refused: a rule in one or two words, the block it lies in, and who says so."""

    rule: str
    block: str
    source: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.block}, {self.source})"


# Rows of one longest-first list: a metadata address inside a wider block is named as what it is.
_V4: Final = tuple(
    (IPv4Network(block), Reason(rule, block, source))
    for block, rule, source in (
        ("169.254.169.254/32", "cloud metadata", "RFC 3927"),
        ("169.254.170.2/32", "cloud metadata", "RFC 3927"),
        ("100.100.100.200/32", "cloud metadata", "RFC 6598"),
        ("192.0.0.192/32", "cloud metadata", "RFC 6890"),
        ("168.63.129.16/32", "cloud metadata", "a platform's wire server"),
        ("0.0.0.0/32", "unspecified", "RFC 1122"),
        ("255.255.255.255/32", "broadcast", "RFC 919"),
        ("233.252.0.0/24", "documentation", "RFC 5771"),
        ("192.0.0.0/24", "protocol assignments", "RFC 6890"),
        ("192.0.2.0/24", "documentation", "RFC 5737"),
        ("198.51.100.0/24", "documentation", "RFC 5737"),
        ("203.0.113.0/24", "documentation", "RFC 5737"),
        ("192.31.196.0/24", "name-service sink", "RFC 7535"),
        ("192.175.48.0/24", "name-service sink", "RFC 7534"),
        ("192.52.193.0/24", "multicast tunnelling", "RFC 7450"),
        ("192.88.99.0/24", "6to4 relay", "RFC 7526"),
        ("169.254.0.0/16", "link-local", "RFC 3927"),
        ("192.168.0.0/16", "private", "RFC 1918"),
        ("198.18.0.0/15", "benchmarking", "RFC 2544"),
        ("172.16.0.0/12", "private", "RFC 1918"),
        ("100.64.0.0/10", "shared address space", "RFC 6598"),
        ("0.0.0.0/8", "this network", "RFC 791"),
        ("10.0.0.0/8", "private", "RFC 1918"),
        ("127.0.0.0/8", "loopback", "RFC 1122"),
        ("224.0.0.0/4", "multicast", "RFC 5771"),
        ("240.0.0.0/4", "reserved", "RFC 1112"),
    )
)

_V6: Final = tuple(
    (IPv6Network(block), Reason(rule, block, source))
    for block, rule, source in (
        ("::/128", "unspecified", "RFC 4291"),
        ("::1/128", "loopback", "RFC 4291"),
        ("fd00:ec2::254/128", "cloud metadata", "RFC 4193"),
        ("fd20:ce::254/128", "cloud metadata", "RFC 4193"),
        ("::ffff:0:0/96", "IPv4-mapped", "RFC 4291"),
        ("::ffff:0:0:0/96", "IPv4-translated", "RFC 7915"),
        ("64:ff9b::/96", "NAT64", "RFC 6052"),
        ("::/96", "IPv4-compatible", "RFC 4291"),
        ("64:ff9b:1::/48", "local NAT64", "RFC 8215"),
        ("100::/64", "discard only", "RFC 6666"),
        ("2620:4f:8000::/48", "name-service sink", "RFC 7534"),
        ("2001:2::/48", "benchmarking", "RFC 5180"),
        ("2001::/32", "Teredo", "RFC 4380"),
        ("2001:db8::/32", "documentation", "RFC 3849"),
        ("2001::/23", "protocol assignments", "RFC 2928"),
        ("3fff::/20", "documentation", "RFC 9637"),
        ("2002::/16", "6to4", "RFC 3056"),
        ("3ffe::/16", "returned 6bone space", "RFC 3701"),
        ("5f00::/16", "segment routing", "RFC 9602"),
        ("fe80::/10", "link-local", "RFC 4291"),
        ("fec0::/10", "site-local", "RFC 3879"),
        ("ff00::/8", "multicast", "RFC 4291"),
        ("fc00::/7", "unique local", "RFC 4193"),
    )
)

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_OUTSIDE: Final = Reason("outside global unicast", "not in 2000::/3", "RFC 4291")
_UNREADABLE: Final = Reason("unreadable", "not an IP address", "RFC 4291")
_ZONED: Final = Reason("link-local", "an address with a zone", "RFC 4007")
_ISATAP_MARKS: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


def judge(address: str | IPv4Address | IPv6Address) -> Reason | None:
    """Return why nothing may be sent to `address`, or None where it may.

    Text that is not a canonical IP address is refused. An IPv6 form that carries an IPv4 address is judged
    by that address too, and the reason then names both.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return _UNREADABLE
    return _judge_v4(parsed) if isinstance(parsed, IPv4Address) else _judge_v6(parsed)


def embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """Yield every IPv4 address that `address` carries under one of the known forms.

    Mapped, compatible, translated (SIIT) and NAT64 hold it in the last 32 bits, 6to4 in bits 16-47, Teredo
    its server in bits 32-63 and its client inverted in the last 32, ISATAP behind the mark 0:5efe.
    """
    number = int(address)
    last = IPv4Address(number & 0xFFFF_FFFF)
    if any(address in block for block in _LAST_32_BITS):
        yield last
    if address in _SIX_TO_FOUR:
        yield IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if address in _TEREDO:
        yield IPv4Address(number >> 64 & 0xFFFF_FFFF)
        yield IPv4Address(~number & 0xFFFF_FFFF)
    if number >> 32 & 0xFFFF_FFFF in _ISATAP_MARKS:
        yield last


_LAST_32_BITS: Final = tuple(
    map(IPv6Network, ("::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "::/96"))
)
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_TEREDO: Final = IPv6Network("2001::/32")


def _judge_v4(address: IPv4Address) -> Reason | None:
    return next((reason for block, reason in _V4 if address in block), None)


def _judge_v6(address: IPv6Address) -> Reason | None:
    if address.scope_id is not None:
        return _ZONED
    outer = next((reason for block, reason in _V6 if address in block), None)
    if outer is None and address not in _GLOBAL_UNICAST:
        outer = _OUTSIDE
    if outer is not None and outer.rule in {"loopback", "unspecified"}:
        return outer
    for carried in embedded(address):
        inner = _judge_v4(carried)
        if inner is not None:
            form = outer.rule if outer is not None else "ISATAP"
            return Reason(f"{inner.rule} inside {form}", f"{carried} in {inner.block}", inner.source)
    return outer
