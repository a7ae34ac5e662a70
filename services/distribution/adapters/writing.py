"""What does a POST look like on the wire?"""

import re
from dataclasses import dataclass
from functools import lru_cache

from services.distribution.adapters.connection import Origin
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy, vet_url
from shared.platform.webhook_headers import TRANSPORT_HEADERS

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


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
    lines = [f"{written}{value}" for name, value in request.headers if (written := _written(name))]
    text = "\n".join(lines)
    if text.count("\n") != max(len(lines) - 1, 0) or "\r" in text or "\0" in text:
        raise ValueError("a header's value holds a line break or a null")
    ends = "\r\n" if lines else ""
    given = text.replace("\n", "\r\n")
    return f"{target.head}{given}{ends}content-length: {len(request.body)}\r\n\r\n".encode()


@lru_cache(maxsize=1024)
def _written(name: str) -> str:
    """Return a header's name as it begins its line, nothing for one that is the transport's own."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name is not a token")
    return "" if name.lower() in TRANSPORT_HEADERS else f"{name}: "
