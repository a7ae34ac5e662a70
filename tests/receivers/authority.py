"""How does a test get TLS certificates that are right, or wrong in one way, without any file of its own?"""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority that lives as long as the test; keys are P-256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Slugline test authority")])
        unsigned = _certificate(self._name, self._name, self._key, timedelta(days=1))
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = unsigned.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """The authority's own certificate, for clients that are to trust it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def demanding(self, *names: str) -> ssl.SSLContext:
        """Return a server context that talks only to clients with a certificate of this authority."""
        context = self.serving(*names)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.pem)
        return context

    def client(self, name: str) -> bytes:
        """Return a client's certificate and key, as one PEM."""
        certificate, key = self._issue(name, valid_for=timedelta(hours=1))
        return certificate.public_bytes(serialization.Encoding.PEM) + _pem(key)

    def serving(self, *names: str, valid_for: timedelta = timedelta(hours=1)) -> ssl.SSLContext:
        """Return a server context whose certificate is for `names` only; a negative `valid_for` has run out."""
        certificate, key = self._issue(*names, valid_for=valid_for)
        chain = self._folder / f"{names[0]}.pem"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _issue(self, *names: str, valid_for: timedelta) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        unsigned = _certificate(subject, self._name, key, valid_for)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return unsigned.add_extension(alternatives, critical=False).sign(self._key, hashes.SHA256()), key


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid_for: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + valid_for)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
