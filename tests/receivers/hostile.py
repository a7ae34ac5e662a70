"""Receivers that would cost a careless sender its time, its memory or its head: one script per trick."""

import asyncio
import gzip
from collections.abc import Callable

from tests.receivers.serving import Peer, Script, answer

GIB = 1024**3
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def hanging(peer: Peer) -> None:
    """Take the request and never answer."""
    await peer.request()
    await peer.until_gone()


async def silent(peer: Peer) -> None:
    """Accept the connection and do nothing at all: under https, a handshake that never ends."""
    await peer.until_gone()


async def never_reading(peer: Peer) -> None:
    """Accept the connection and never read a byte of the request."""
    await peer.unread()


async def answering_unread(peer: Peer) -> None:
    """Answer before reading the request, then never read it."""
    await peer.say(answer(200))
    await peer.unread()


def dripping_head(pause: float = 0.02) -> Script:
    """Send a head one byte at a time, for ever."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        await _drip(peer, pause)

    return script


def dripping_body(pause: float = 0.02) -> Script:
    """Send a body one byte at a time, long past anybody's patience."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        await _drip(peer, pause)

    return script


async def endless_headers(peer: Peer) -> None:
    """Send header after header and never the empty line."""
    await peer.request()
    await _flood(peer, b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 64)


async def one_endless_header(peer: Peer) -> None:
    """Send one header line that never ends."""
    await peer.request()
    await _flood(peer, b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 4096)


async def informational_flood(peer: Peer) -> None:
    """Send interim answers for ever, each of them legal."""
    await peer.request()
    await _flood(peer, b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 64)


async def informational_burst(peer: Peer) -> None:
    """Send thousands of interim answers in one piece, then nothing."""
    await peer.request()
    await peer.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9000)
    await peer.until_gone()


def huge_body(size: int = 10 * GIB, chunked: bool = False) -> Script:
    """Send a body of many gigabytes as fast as it is taken."""
    block = b"0" * 65536

    async def script(peer: Peer) -> None:
        await peer.request()
        if chunked:
            await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            await peer.say(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        frame = b"%x\r\n%b\r\n" % (len(block), block) if chunked else block
        for _ in range(size // len(block)):
            await peer.say(frame)

    return script


async def gzip_bomb(peer: Peer) -> None:
    """Send 64 MiB of nothing as 64 KiB of gzip."""
    body = gzip.compress(bytes(64 * 1024**2), 9)
    while await peer.request():
        await peer.say(answer(200, body, [("Content-Encoding", "gzip")]))


async def endless_chunk_extension(peer: Peer) -> None:
    """Begin a chunk and never end the line that tells its size."""
    await peer.request()
    await _flood(peer, CHUNKED + b"2;", b"x=y;" * 1024)


async def endless_trailers(peer: Peer) -> None:
    """Send a whole body, then trailer after trailer."""
    await peer.request()
    await _flood(peer, CHUNKED + b"2\r\nok\r\n0\r\n", b"X-More: and more\r\n" * 64)


async def crumbs(peer: Peer) -> None:
    """Send a body as chunks of one byte each, for ever."""
    await peer.request()
    await _flood(peer, CHUNKED, b"1\r\n.\r\n" * 512)


async def refusing_unread(peer: Peer) -> None:
    """Refuse a request at its first byte, and never read the rest."""
    await peer.some()
    await peer.say(answer(413, b"too large"))
    await peer.unread()


async def leaving_unread(peer: Peer) -> None:
    """Hang up at the first byte of a request."""
    await peer.some()


async def lying_about_closing(peer: Peer) -> None:
    """Announce the end of the connection with every answer, and stay."""
    while await peer.request():
        await peer.say(answer(200, headers=[("Connection", "close")]))


async def closing_early(peer: Peer) -> None:
    """Take the request and hang up without a byte."""
    await peer.request()


async def resetting(peer: Peer) -> None:
    """Hang up before reading, so that the sender's bytes meet a reset."""
    peer.reset()


async def closing_inside_head(peer: Peer) -> None:
    """Hang up in the middle of the first line."""
    await peer.request()
    await peer.say(b"HTTP/1.1 20")


async def truncated_body(peer: Peer) -> None:
    """Announce a hundred bytes, send ten, hang up."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")


async def truncated_chunks(peer: Peer) -> None:
    """Hang up inside a chunk."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n0123456789")


async def broken_chunks(peer: Peer) -> None:
    """Send a chunk whose length is not a number."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n0123456789\r\n0\r\n\r\n")
    await peer.until_gone()


async def two_lengths(peer: Peer) -> None:
    """Announce two lengths."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok")
    await peer.until_gone()


async def length_and_chunked(peer: Peer) -> None:
    """Announce a length and chunks at once."""
    await peer.request()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    await peer.say(head + b"2\r\nok\r\n0\r\n\r\n")
    await peer.until_gone()


async def not_http(peer: Peer) -> None:
    """Speak another protocol."""
    await peer.say(b"220 mail.example.com ESMTP ready\r\n")
    await peer.until_gone()


async def surplus_answer(peer: Peer) -> None:
    """Send two answers to every request, the second a lie."""
    while await peer.request():
        await peer.say(answer(200, b"mine") + answer(410, b"forged"))


async def answering_unasked(peer: Peer) -> None:
    """Answer, and a moment later, while nothing is asked, answer again."""
    while await peer.request():
        await peer.say(answer(200, b"mine"))
        await asyncio.sleep(0.05)
        await peer.say(answer(410, b"forged"))


async def muttering(peer: Peer) -> None:
    """Answer, and a moment later, while nothing is asked, begin another answer."""
    while await peer.request():
        await peer.say(answer(200, b"mine"))
        await asyncio.sleep(0.05)
        await peer.say(b"HTTP/1.1 410 G")


def stale_after(answers: int, then: Callable[[Peer], None] = lambda _: None) -> Script:
    """Answer that many requests on each connection, then close it when the next one has come."""

    async def script(peer: Peer) -> None:
        for _ in range(answers):
            await peer.request()
            await peer.say(answer(200))
        await peer.request()
        then(peer)

    return script


async def _drip(peer: Peer, pause: float) -> None:
    while True:
        await peer.say(b".")
        await asyncio.sleep(pause)


async def _flood(peer: Peer, first: bytes, block: bytes) -> None:
    await peer.say(first)
    while True:
        await peer.say(block)
