"""What does a POST look like on the wire?"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from services.distribution.adapters.connection import Origin
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy, vet_url
from shared.platform.webhook_headers import TRANSPORT_HEADERS

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LINES_BEFORE: Final = 3  # request line, host, accept-encoding
_LINES_BEHIND: Final = 2  # content-length and the empty one


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called: whom it connects to, and how every request to it begins."""

    origin: Origin
    head: str


def target_of(url: str, policy: EgressPolicy) -> Target:
    """Vet a URL and take it apart; raise `UrlRefused`."""
    vetted = vet_url(url, policy)
    _, _, authority, path = vetted.url.split("/", 3)
    head = f"POST /{path} HTTP/1.1\r\nhost: {authority}\r\naccept-encoding: identity\r\n"
    return Target(Origin(vetted.scheme == "https", vetted.host, vetted.port), head)


def head_of(target: Target, request: SendRequest) -> bytes:
    """Return all that goes before the body; raise `ValueError` for a header that would not stay one line."""
    lines = [target.head]
    for name, value in request.headers:
        written = _written(name)
        if written:
            lines.append(f"{written}{value}\r\n")
    lines.append(f"content-length: {len(request.body)}\r\n\r\n")
    text = "".join(lines)
    ends = _LINES_BEFORE + len(lines) - 2 + _LINES_BEHIND
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise ValueError("a header's value holds a line break or a null")
    return text.encode()


@lru_cache(maxsize=1024)
def _written(name: str) -> str:
    """Return a header's name as it begins its line, nothing for one that is the transport's own."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name is not a token")
    return "" if name.lower() in TRANSPORT_HEADERS else f"{name}: "
