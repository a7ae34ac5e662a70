"""In which bytes does an answer go out? One body, its validator, and its codings, each made once."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import cramjam

from services.gateway.weights import weights_of

CACHE_CONTROL: Final = b"private, no-cache"
"""Whoever keeps it asks again each time, so that a kill, a withhold and a new release count at the next look."""
VARY: Final = b"Accept-Encoding, Authorization"
IDENTITY: Final = ""

_LEAST: Final = 1024
"""Bytes below which a coding saves next to nothing."""
_AT_ONCE: Final = 64 * 1024
"""Bytes above which coding would hold others up: done in a thread."""
_CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "br": lambda body: bytes(cramjam.brotli.compress(body, 5)),
    "gzip": lambda body: gzip.compress(body, 6, mtime=0),
}

Head = list[tuple[bytes, bytes]]


@dataclass(slots=True, eq=False)
class Representation:
    """A body that may go out many times; `link` is a whole header value."""

    body: bytes
    media_type: str = "application/json"
    link: str | None = None
    digest: str = field(init=False)
    _coded: dict[str, bytes] = field(default_factory=dict, init=False)
    _heads: dict[str, Head] = field(default_factory=dict, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256(self.body).hexdigest()[:32]
        self._coded[IDENTITY] = self.body

    @property
    def size(self) -> int:
        """Bytes held, all codings together."""
        return sum(map(len, self._coded.values()))

    def coding(self, accept: str | None) -> str:
        """Return the coding in which a caller with this Accept-Encoding is best answered."""
        return IDENTITY if accept is None or len(self.body) < _LEAST else _preferred(accept)

    def made(self, coding: str) -> bytes | None:
        """The body in a coding, if it has been made."""
        return self._coded.get(coding)

    async def make(self, coding: str) -> bytes:
        """Return the body in a coding; it is made once, however many ask."""
        async with self._turn:
            if coding not in self._coded:
                code = _CODINGS[coding]
                large = len(self.body) > _AT_ONCE
                self._coded[coding] = await asyncio.to_thread(code, self.body) if large else code(self.body)
            return self._coded[coding]

    def head(self, coding: str) -> Head:
        """Return the headers that go before the body in a coding; a list of its own for each call."""
        if coding not in self._heads:
            self._heads[coding] = [*self._validators(coding), *self._describing(coding)]
        return [*self._heads[coding]]

    def not_modified(self, coding: str, if_none_match: str | None) -> Head | None:
        """Return the headers of a 304, if the caller has this body in any coding (RFC 9110, 13.1.2)."""
        if if_none_match is None or not self._is_named_in(if_none_match):
            return None
        return self._validators(coding)

    def _is_named_in(self, if_none_match: str) -> bool:
        tags = (tag.strip().removeprefix("W/").strip('"') for tag in if_none_match.split(","))
        return any(tag == "*" or tag.partition("-")[0] == self.digest for tag in tags)

    def _validators(self, coding: str) -> Head:
        suffix = f"-{coding}" if coding else ""
        return [
            (b"etag", f'"{self.digest}{suffix}"'.encode()),
            (b"cache-control", CACHE_CONTROL),
            (b"vary", VARY),
        ]

    def _describing(self, coding: str) -> Head:
        head = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", str(len(self._coded[coding])).encode()),
        ]
        if coding:
            head.append((b"content-encoding", coding.encode()))
        if self.link is not None:
            head.append((b"link", self.link.encode()))
        return head


@lru_cache(maxsize=256)
def _preferred(accept: str) -> str:
    """The coding of the highest weight (RFC 9110, 12.5.3), of equal ones the smaller; identity if none is wanted."""
    weights = weights_of(accept)
    wanted = {coding: weights.get(coding, weights.get("*", 0.0)) for coding in _CODINGS}
    best = max(_CODINGS, key=lambda coding: wanted[coding])
    return best if wanted[best] > 0 and wanted[best] >= weights.get("identity", 0.0) else IDENTITY
