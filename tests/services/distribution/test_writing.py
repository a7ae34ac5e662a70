"""What a POST looks like on the wire, whatever its headers hold."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.adapters.connection import Origin
from services.distribution.adapters.writing import Target, head_of, target_of
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from shared.platform.webhook_headers import TRANSPORT_HEADERS

TOKEN = set(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")  # RFC 9110, section 5.6.2
TARGET = target_of("https://hooks.example.com/in?key=1", EgressPolicy())
NAMES = st.text(max_size=12) | st.sampled_from(["x-own", "webhook-id", "Host", "Content-Length", "Transfer-Encoding"])


@given(headers=st.lists(st.tuples(NAMES, st.text(max_size=30)), max_size=6))
def test_a_header_is_one_line_or_refused(headers: list[tuple[str, str]]) -> None:
    """Nothing in a name or a value ends its line, adds another, or replaces one of the transport's own."""
    kept = [(name, value) for name, value in headers if name.lower() not in TRANSPORT_HEADERS]
    try:
        head = head_of(TARGET, SendRequest("", headers, b"body"))
    except ValueError:
        assert not all(name and set(name) <= TOKEN and not set(value) & set("\r\n\0") for name, value in headers)
        return
    assert head.endswith(b"\r\n\r\n")
    lines = head.decode()[:-4].split("\r\n")
    assert lines[:3] == ["POST /in?key=1 HTTP/1.1", "host: hooks.example.com", "accept-encoding: identity"]
    assert lines[3:] == [*(f"{name}: {value}" for name, value in kept), "content-length: 4"]
    assert not any(line.count("\n") or line.count("\r") for line in lines)


@pytest.mark.parametrize(
    ("url", "allowed", "origin", "host"),
    [
        ("https://Hooks.Example.com", ("", 0), Origin(True, "hooks.example.com", 443), "hooks.example.com"),
        (
            "https://hooks.example.com:8443/a",
            ("", 0),
            Origin(True, "hooks.example.com", 8443),
            "hooks.example.com:8443",
        ),
        ("http://[::1]:81/a", ("::1", 81), Origin(False, "::1", 81), "[::1]:81"),
    ],
)
def test_a_target_is_where_its_url_points(url: str, allowed: tuple[str, int], origin: Origin, host: str) -> None:
    """Connected to by host and port, addressed by what the URL's normal form says."""
    target = target_of(url, EgressPolicy(frozenset({allowed})))
    assert isinstance(target, Target)
    assert target.origin == origin
    assert f"\r\nhost: {host}\r\n" in target.head
