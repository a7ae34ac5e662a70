"""How is a feed fetched? Conditionally, within limits, from the address an operator configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from services.ingest.feed_poll import Fetched

LARGEST = 8 * 1024 * 1024
WITHIN_S = 20.0


class HttpFeed:
    """`Fetch` over HTTP with ETag and Last-Modified; a body over `LARGEST` bytes counts as a refusal."""

    def __init__(self, client: httpx2.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._validators: dict[str, str] = {}

    async def __call__(self) -> Fetched:
        try:
            async with self._client.stream("GET", self._url, headers=self._validators, timeout=WITHIN_S) as answer:
                if answer.status_code != 200:
                    return Fetched(None, answer.status_code)
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > LARGEST:
                        return Fetched(None, 413)
        except httpx2.HTTPError as error:
            raise OSError(type(error).__name__) from error
        self._remember(answer)
        return Fetched(bytes(body), 200)

    def _remember(self, answer: httpx2.Response) -> None:
        sent = {"if-none-match": "etag", "if-modified-since": "last-modified"}
        self._validators = {ours: answer.headers[theirs] for ours, theirs in sent.items() if theirs in answer.headers}


@asynccontextmanager
async def http_feed(url: str) -> AsyncIterator[HttpFeed]:
    """A feed with a client of its own, closed at the end."""
    async with httpx2.AsyncClient(follow_redirects=True) as client:
        yield HttpFeed(client, url)
