"""May a webhook be sent to this URL at all, and what does it read like in its one normal form?"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote

import idna

from shared.domain.addresses import judge
from shared.domain.errors import Misconfigured, Refusal

ALLOW_SETTING: Final = "WIRE_ENDPOINT_ALLOW"
PORTS_SETTING: Final = "WIRE_ENDPOINT_PORTS"
STANDARD_PORTS: Final = "443,8443"
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

# Names that only mean something inside somebody's network (RFC 6761, 6762, 7686, 8375; .internal by ICANN).
_INSIDE_NAMES: Final = ("localhost", "local", "internal", "onion", "home.arpa")

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?")
_BRACKETED = re.compile(r"\[(?P<host>[0-9A-Fa-f:.]+)\](?::(?P<port>[^:]*))?")
_NAMED = re.compile(r"(?P<host>[^:\[\]]*)(?::(?P<port>[^:]*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label of this form makes the whole host an IPv4 address
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PATH_SAFE: Final = "/%:@!$&'()*+,;=-._~"
_UNSAFE_ASCII: Final = frozenset('"<>\\^`{|}')


class UrlRefused(Refusal):
    """A rule forbids this receiver; `str(error)` is a sentence for its owner.

    `rule` is one word or two for machines, `address` what was judged (host, port or IP address, never the
    whole URL: paths hold secrets), `setting` the one that would permit exactly this receiver, if any.
    """

    def __init__(self, rule: str, address: str, detail: str, setting: str | None = None) -> None:
        remedy = f"; to permit exactly this receiver on a local installation set {setting}" if setting else ""
        super().__init__(f"this URL is refused by the rule '{rule}': {detail}{remedy}")
        self.rule = rule
        self.address = address
        self.detail = detail
        self.setting = setting


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be called.

    `allow` lifts the scheme, port, name and address rules for exactly its (host, port) pairs and nothing
    else; hosts in it are in normal form. Everything else is https on one of `ports`. 8443 is there because
    unprivileged receivers use it; other ports would turn the sender into a scanner of somebody's machines.
    """

    allow: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = frozenset(map(int, STANDARD_PORTS.split(",")))
    allow_http: bool = False
    max_length: int = 2048

    def allows(self, host: str, port: int) -> bool:
        return (host, port) in self.allow

    def permits_port(self, scheme: str, port: int) -> bool:
        return port in self.ports or (scheme == "http" and port == DEFAULT_PORTS["http"])


@dataclass(frozen=True, slots=True)
class VettedUrl:
    """A URL in normal form that passed every rule which needs no name look-up.

    `host` is lower-case ASCII (or the shortest form of an IP address, without brackets); `allowed` says
    that the allow-list names it, so its addresses are not judged.
    """

    url: str
    scheme: str
    host: str
    port: int
    allowed: bool


def vet_url(url: str, policy: EgressPolicy) -> VettedUrl:
    """Return `url` in its one normal form, or raise `UrlRefused`. Vetting the result again changes nothing."""
    parts = _split(url, policy)
    scheme = parts["scheme"].lower()
    host, port = _authority(parts["authority"], scheme)
    allowed = policy.allows(host, port)
    if not allowed:
        _check_scheme(scheme, host, port, policy)
        _check_name(host, port)
        if not policy.permits_port(scheme, port):
            ports = ", ".join(map(str, sorted(policy.ports)))
            raise UrlRefused("port", str(port), f"port {port} is not one of {ports}", _allow_entry(host, port))
    elif scheme not in DEFAULT_PORTS:
        raise UrlRefused("scheme", scheme, f"'{scheme}' is neither https nor http")
    query = (parts["query"] or "").removeprefix("?")
    target = quote(parts["path"] or "/", _PATH_SAFE) + (f"?{quote(query, _PATH_SAFE + '?[]')}" if query else "")
    shown_port = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    normal = f"{scheme}://{_in_url(host)}{shown_port}{target}"
    _check_length(normal, policy)
    return VettedUrl(normal, scheme, host, port, allowed)


def vet_answers(host: str, port: int, addresses: Iterable[str], policy: EgressPolicy) -> tuple[str, ...]:
    """Return the addresses a name resolved to, or raise `UrlRefused` if any one of them may not be called.

    One bad answer refuses all: whoever can add one public address to a private one could otherwise choose.
    """
    found = tuple(addresses)
    if policy.allows(host, port):
        return found
    for address in found:
        reason = judge(address)
        if reason is not None:
            raise UrlRefused(
                "address", address, f"{host} resolves to {address}, which is {reason}", _allow_entry(host, port)
            )
    return found


def parse_allow(text: str) -> frozenset[tuple[str, int]]:
    """Read `WIRE_ENDPOINT_ALLOW` (`host:port,host:port`, IPv6 in brackets); raise `Misconfigured` on anything else."""
    return frozenset(_allow_pair(entry.strip()) for entry in text.split(",") if entry.strip())


def parse_ports(text: str) -> frozenset[int]:
    """Read `WIRE_ENDPOINT_PORTS` (`443,8443`); raise `Misconfigured` on anything but port numbers, or on none."""
    try:
        ports = frozenset(_port(entry.strip(), "") for entry in text.split(","))
    except UrlRefused as refused:
        raise Misconfigured(f"{PORTS_SETTING}: '{refused.address}': {refused.detail}") from refused
    if 0 in ports:
        raise Misconfigured(f"{PORTS_SETTING}: an entry is empty; no port at all would refuse every endpoint")
    return ports


def policy_of(allow: str, ports: str) -> EgressPolicy:
    """Return what two settings permit. Gateway and distribution must agree, or what one registers the other refuses."""
    return EgressPolicy(allow=parse_allow(allow), ports=parse_ports(ports))


def _allow_pair(entry: str) -> tuple[str, int]:
    matched = _BRACKETED.fullmatch(entry) or _NAMED.fullmatch(entry)
    if matched is None or not matched["host"] or not matched["port"]:
        raise Misconfigured(f"{ALLOW_SETTING}: '{entry}' is not host:port")
    try:
        return _host(matched["host"], bracketed=entry.startswith("[")), _port(matched["port"], "https")
    except UrlRefused as refused:
        raise Misconfigured(f"{ALLOW_SETTING}: '{entry}': {refused.detail}") from refused


def _split(url: str, policy: EgressPolicy) -> dict[str, str]:
    _check_length(url, policy)
    bad = next((c for c in url if unicodedata.category(c)[0] in "CZ" or c in _UNSAFE_ASCII), None)
    if bad is not None:
        raise UrlRefused("character", f"U+{ord(bad):04X}", f"it holds the character U+{ord(bad):04X}")
    if "#" in url:
        raise UrlRefused("fragment", "#", "a fragment is never sent, so it cannot be part of an endpoint")
    matched = _URL.fullmatch(url)
    if matched is None:
        raise UrlRefused("form", "", "it is not of the form https://host/path")
    if "@" in matched["authority"]:
        raise UrlRefused("credentials", "@", "user name and password do not belong in a URL")
    if _BAD_ESCAPE.search(matched["path"] + (matched["query"] or "")):
        raise UrlRefused("form", "%", "a percent sign is not followed by two hexadecimal digits")
    return matched.groupdict()


def _check_length(url: str, policy: EgressPolicy) -> None:
    if not 1 <= len(url) <= policy.max_length:
        raise UrlRefused("length", "", f"its normal form must have 1 to {policy.max_length} characters")


def _authority(authority: str, scheme: str) -> tuple[str, int]:
    bracketed = _BRACKETED.fullmatch(authority)
    matched = bracketed or _NAMED.fullmatch(authority)
    if matched is None:
        raise UrlRefused("host", authority, "host and port cannot be told apart")
    return _host(matched["host"], bracketed=bracketed is not None), _port(matched["port"], scheme)


def _port(text: str | None, scheme: str) -> int:
    if not text:
        return DEFAULT_PORTS.get(scheme, 0)
    if not _PORT.fullmatch(text) or int(text) > 65_535:
        raise UrlRefused("port", text, "the port is not a number from 1 to 65535")
    return int(text)


def _host(text: str, *, bracketed: bool) -> str:
    """Return the normal form of a host: an IP address at its shortest, a name as lower-case ASCII."""
    if bracketed:
        try:
            return str(IPv6Address(text))
        except ValueError:
            raise UrlRefused("host", text, "the brackets do not hold an IPv6 address") from None
    name = _ascii_name(text)
    if not _NUMBER.fullmatch(name.rpartition(".")[2]):
        return name
    try:
        return str(IPv4Address(name))
    except ValueError:
        raise UrlRefused("numeric host", name, "an IPv4 address is written as four decimal numbers") from None


def _ascii_name(text: str) -> str:
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise UrlRefused("host", "", "its international name is not well-formed (IDNA 2008)") from None
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) and _is_idna(label) for label in labels):
        raise UrlRefused("host", name[:253], "its host is not a well-formed name (letters, digits, hyphens, dots)")
    return name


def _is_idna(label: str) -> bool:
    if not label.startswith("xn--"):
        return True
    try:
        return idna.alabel(idna.ulabel(label)).decode() == label
    except (idna.IDNAError, UnicodeError):
        return False


def _check_scheme(scheme: str, host: str, port: int, policy: EgressPolicy) -> None:
    if scheme == "https" or (scheme == "http" and policy.allow_http):
        return
    setting = _allow_entry(host, port) if scheme == "http" else None
    raise UrlRefused("scheme", scheme, f"'{scheme}' is not https", setting)


def _check_name(host: str, port: int) -> None:
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        reason = judge(host)
        if reason is not None:
            raise UrlRefused("address", host, f"the address {host} is {reason}", _allow_entry(host, port))
    elif "." not in host or any(host == name or host.endswith(f".{name}") for name in _INSIDE_NAMES):
        raise UrlRefused("name", host, f"the name {host} only exists inside a network", _allow_entry(host, port))


def _allow_entry(host: str, port: int) -> str:
    return f"{ALLOW_SETTING}={_in_url(host)}:{port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
