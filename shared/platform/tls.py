"""How does a process speak TLS itself, and take a renewed certificate without a restart?"""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.domain.errors import Misconfigured
from shared.platform.logs import logger

LOOK_EVERY_S: Final = 5.0


class ServerTls:
    """The certificate of a server, read from two PEM files; `context` is for whoever listens.

    Each handshake takes the certificate as it was last read whole: a pair that does not fit together, as there is
    while somebody replaces the files, is logged, and the one before stays.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises Misconfigured for files that cannot be read or do not belong together."""
        self._files = (certificate, key)
        try:
            self._stamp = self._stamps()
            self._current = self._read()
        except (OSError, ssl.SSLError) as error:
            told = error.strerror or error
            raise Misconfigured(
                f"WIRE_TLS_CERTIFICATE and WIRE_TLS_KEY must be PEM files that belong together: {told}."
            ) from None
        self.context = self._read()
        self.context.sni_callback = self._take_current

    async def watch(self, stop: asyncio.Event, every_s: float = LOOK_EVERY_S) -> None:
        """Job: look for renewed files until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await stop.wait()
            self.look()

    def look(self) -> bool:
        """Read the files if they have changed; tell whether there is a new certificate."""
        try:
            stamp = self._stamps()
            if stamp == self._stamp:
                return False
            self._current = self._read()
        except (OSError, ssl.SSLError) as error:
            logger().error("tls.not_read", error=type(error).__name__)
            return False
        self._stamp = stamp
        logger().info("tls.renewed")
        return True

    def _take_current(self, connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*self._files)
        return context

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        found = (path.stat() for path in self._files)
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in found)


def tls_of(certificate: Path | None, key: Path | None) -> ServerTls | None:
    """Return the TLS of two settings, None if neither is given. Raises Misconfigured for one alone or a bad pair."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise Misconfigured("WIRE_TLS_CERTIFICATE and WIRE_TLS_KEY are given together or not at all.")
    return ServerTls(certificate, key)
