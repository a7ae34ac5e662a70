"""Can this client certificate be shown to a receiver? Judged when it is brought; refusals never repeat any of it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.gateway.refusals import Unfit, unfit

LONGEST_PEM: Final = 32 * 1024
SHORTEST_RSA: Final = 2048
SHOWN_SUBJECT: Final = 200

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----")
_FOR_CLIENTS: Final = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that may be used: `pem` is to be sealed, the rest may be shown."""

    pem: str
    subject: str
    expires_at: datetime
    fingerprint: str


def read_certificate(text: str, now: datetime) -> ClientCertificate:
    """Return what is in a PEM of certificate(s), the key's own first, and one unencrypted private key.

    Raises Unfit unless it parses, key and certificate belong together, and it is valid now, for clients.
    """
    blocks = [(found[1], found[0]) for found in _BLOCK.finditer(text)]
    chain = [block for kind, block in blocks if kind == "CERTIFICATE"]
    keys = [block for kind, block in blocks if kind.endswith("PRIVATE KEY")]
    if not chain or len(keys) != 1:
        raise _unfit("it takes one PEM text: the certificate, those it was issued by, and its one private key")
    own, key = _certificates(chain)[0], _key(keys[0])
    if _spki(own.public_key()) != _spki(key.public_key()):
        raise _unfit("the first certificate is not that of the private key")
    _check_use(own, now)
    return ClientCertificate(
        pem="\n".join([*chain, keys[0], ""]),
        subject=own.subject.rfc4514_string()[:SHOWN_SUBJECT],
        expires_at=own.not_valid_after_utc,
        fingerprint=own.fingerprint(SHA256()).hex(),
    )


def _certificates(chain: list[str]) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates("\n".join(chain).encode())
    except ValueError:
        raise _unfit("a certificate in it cannot be read") from None


def _key(pem: str) -> PrivateKeyTypes:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise _unfit("its private key is locked with a password; bring it unlocked, it is sealed here") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unfit("its private key cannot be read") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise _unfit(f"an RSA key has at least {SHORTEST_RSA} bits")
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise _unfit("its private key is neither RSA, elliptic curve nor ed25519")
    return key


def _check_use(own: x509.Certificate, now: datetime) -> None:
    if now >= own.not_valid_after_utc:
        raise _unfit("it has expired")
    if now < own.not_valid_before_utc:
        raise _unfit("it is not valid yet")
    try:
        uses = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    except ValueError:
        raise _unfit("its extensions cannot be read") from None
    if not _FOR_CLIENTS & set(uses):
        raise _unfit("it is not issued for client authentication")


def _spki(public: PublicKeyTypes) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _unfit(message: str) -> Unfit:
    return unfit("/client_certificate", message)
