"""By which certificates does the sender know a receiver, and with which does it show itself?"""

import os
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

Context = TypeVar("Context", bound=ssl.SSLContext)

CONTEXTS_KEPT: Final = 32  # each may hold a hundred authorities: about a megabyte


class BadClientCertificate(Exception):
    """The client certificate of a request, or its key, cannot be used; the reason may quote it and is not kept."""


def trusting(kind: type[Context], authorities: str | None = None) -> Context:
    """Return a context of TLS 1.2 or newer that checks certificate and name.

    `authorities` are certificates in PEM that stand instead of the system's.
    """
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cadata=authorities)
    return context


def contexts(kind: type[Context], authorities: str | None = None) -> Callable[[bytes | None], Context]:
    """Return what gives the context for a client certificate (PEM, key included), or for none; the last few are kept.

    What it gives raises `BadClientCertificate`.
    """

    @lru_cache(maxsize=CONTEXTS_KEPT)
    def with_certificate(pem: bytes) -> Context:
        context = trusting(kind, authorities)
        _show(context, pem)
        return context

    plain = trusting(kind, authorities)
    return lambda pem: plain if pem is None else with_certificate(pem)


def _show(context: ssl.SSLContext, pem: bytes) -> None:
    """Load a certificate that must not touch a disk: the ssl module reads files only, so it gets one in memory."""
    file = os.memfd_create("client-certificate")
    try:
        os.write(file, pem)
        context.load_cert_chain(
            f"/proc/self/fd/{file}", password=lambda: b""
        )  # an encrypted key must not ask a terminal
    except (ssl.SSLError, OSError, ValueError) as error:
        raise BadClientCertificate(f"not a certificate and its key: {type(error).__name__}") from None
    finally:
        os.close(file)
