"""Which web pages may read the gateway's answers? Origins by their exact names, from a setting; none by default.

No cookie is ever looked at, so no answer allows credentials: a page brings its key, or a ticket, itself.
"""

import re
from typing import Final

_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_READABLE: Final = (
    b"ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Content-Type-Options"
)

Headers = list[tuple[bytes, bytes]]


def origins_of(setting: str) -> frozenset[str]:
    """Return the origins of a comma separated list. Raises ValueError for `*` and for what is no origin."""
    found = frozenset(name.strip().lower() for name in setting.split(",") if name.strip())
    for name in sorted(found):
        if name == "*":
            raise ValueError("name each origin; a wildcard would let every page on the web read with a visitor's key")
        if not _ORIGIN.fullmatch(name):
            raise ValueError(f"{name} is no origin; write scheme://host or scheme://host:port, without a path")
    return found


def readable_by(origins: frozenset[str], origin: str | None) -> Headers:
    """Return the headers that let a page of `origin` read an answer; none for others."""
    if origin is None or origin not in origins:
        return []
    return [(b"access-control-allow-origin", origin.encode()), (b"access-control-expose-headers", _READABLE)]
