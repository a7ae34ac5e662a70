"""Does a process speak TLS itself, and take a renewed certificate without a restart?"""

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shared.domain.errors import Misconfigured
from shared.platform.http import serve
from shared.platform.tls import ServerTls, tls_of
from tests.services.gateway.certificates import certificate, unlocked

OTHER = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key."""
    paths = tmp_path / "tls.crt", tmp_path / "tls.key"
    paths[0].write_text(certificate())
    paths[1].write_text(unlocked())
    return paths


async def shown(port: int, most: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> tuple[bytes, bytes]:
    """The certificate that a handshake shows, and the answer to a request."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode, trusting.maximum_version = False, ssl.CERT_NONE, most
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        return writer.get_extra_info("ssl_object").getpeercert(binary_form=True), answer
    finally:
        writer.close()


async def test_a_renewed_certificate_is_shown_to_whoever_comes_next(files: tuple[Path, Path]) -> None:
    """Half a renewal changes nothing; two processes may share the port; nothing older than TLS 1.2 is spoken."""
    tls = tls_of(*files)
    assert tls is not None
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    stop, ports = asyncio.Event(), asyncio.Queue[int]()

    async def listen(port: int) -> None:
        await serve(app, "127.0.0.1", port, stop, listening=ports.put_nowait, tls=tls.context, reuse_port=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(listen(0))
        port = await ports.get()
        group.create_task(listen(port))
        assert await ports.get() == port
        first, answer = await shown(port)
        assert answer.endswith(b"here")
        files[0].write_text(certificate(OTHER))
        assert not tls.look()
        assert (await shown(port))[0] == first
        files[1].write_text(unlocked(OTHER))
        assert tls.look()
        assert not tls.look()
        assert (await shown(port, ssl.TLSVersion.TLSv1_2))[0] != first
        assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
        stop.set()


def test_a_pair_that_does_not_fit_stops_the_start(files: tuple[Path, Path]) -> None:
    """As does one file without the other; neither is no TLS."""
    files[1].write_text(unlocked(OTHER))
    with pytest.raises(Misconfigured, match="belong together"):
        ServerTls(*files)
    with pytest.raises(Misconfigured, match="together or not at all"):
        tls_of(files[0], None)
    with pytest.raises(Misconfigured, match="WIRE_TLS_KEY"):
        ServerTls(files[0], files[1].with_suffix(".gone"))
    assert tls_of(None, None) is None
