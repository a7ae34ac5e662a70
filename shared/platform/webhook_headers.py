"""Which headers of its own may a subscriber have on its webhooks?"""

import re
from collections.abc import Mapping
from typing import Final

from shared.domain.errors import Refusal

# Framing, routing and hop-by-hop headers belong to the transport: a second copy of one desynchronises peers.
TRANSPORT_HEADERS: Final = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
OURS: Final = frozenset({"content-type", "content-encoding", "cookie", "user-agent"})
MAX_HEADERS: Final = 20
MAX_VALUE: Final = 1024

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class HeaderRefused(Refusal):
    """A header that cannot be added to a webhook; `name` is the one, its value is never repeated."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"the header '{name[:64]}' is refused: {detail}")
        self.name = name


def vet_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return a subscriber's own headers with lower-case names, or raise `HeaderRefused` (RFC 9110, section 5)."""
    if len(headers) > MAX_HEADERS:
        raise HeaderRefused(next(iter(headers)), f"there are more than {MAX_HEADERS}")
    vetted = [(name.lower(), value) for name, value in headers.items()]
    for name, value in vetted:
        if not _NAME.fullmatch(name):
            raise HeaderRefused(name, "its name is not a token of at most 64 characters")
        if name in TRANSPORT_HEADERS or name in OURS or name.startswith("webhook-"):
            raise HeaderRefused(name, "it is set by the sender")
        if len(value) > MAX_VALUE or not _VALUE.fullmatch(value):
            raise HeaderRefused(name, f"its value is not 1 to {MAX_VALUE} printable ASCII characters")
    if len({name for name, _ in vetted}) != len(vetted):
        raise HeaderRefused(vetted[0][0], "a name stands twice")
    return vetted
