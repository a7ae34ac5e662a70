"""How does a receiver know that a webhook is ours and untouched? (Standard Webhooks 1.0)

Signed are the bytes `id.timestamp.body`: `v1` is HMAC-SHA256 under a shared secret, `v1a` ed25519 under a
private key whose public half the receiver has.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.domain.errors import Refusal

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the mark of a secret, not one
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
NEW_SECRET_BYTES: Final = 32
SECRET_BYTES: Final = range(24, 65)


class BadSecret(Refusal):
    """A signing secret that a subscriber brought cannot be used; `str(error)` never repeats it."""


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A shared secret, decoded once: signing costs a few microseconds."""

    key: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The secret as its owner is shown it: `whsec_` and padded base64."""
        return SECRET_PREFIX + base64.b64encode(self.key).decode()

    def signature(self, content: bytes) -> str:
        return "v1," + binascii.b2a_base64(hmac.digest(self.key, content, "sha256"), newline=False).decode()


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """A private signing key of ours; receivers are given `public_text`."""

    private: Ed25519PrivateKey = field(repr=False)

    @property
    def text(self) -> str:
        """The private key as it is stored: `whsk_` and base64 of seed and public key, 64 bytes."""
        public = self.private.public_key().public_bytes_raw()
        return PRIVATE_PREFIX + base64.b64encode(self.private.private_bytes_raw() + public).decode()

    @property
    def public_text(self) -> str:
        return PUBLIC_PREFIX + base64.b64encode(self.private.public_key().public_bytes_raw()).decode()

    def signature(self, content: bytes) -> str:
        return "v1a," + base64.b64encode(self.private.sign(content)).decode()


SigningKey: TypeAlias = HmacKey | Ed25519Key


def new_secret() -> str:
    """Return a fresh `whsec_…` of 32 random bytes."""
    return HmacKey(secrets.token_bytes(NEW_SECRET_BYTES)).text


def new_private_key() -> str:
    """Return a fresh `whsk_…` ed25519 key."""
    return Ed25519Key(Ed25519PrivateKey.generate()).text


def parse_secret(text: str) -> HmacKey:
    """Read a `whsec_` secret (prefix and padding may be missing); raise `BadSecret` unless it holds 24-64 bytes."""
    key = _decode(text.removeprefix(SECRET_PREFIX))
    if len(key) not in SECRET_BYTES:
        raise BadSecret(f"a signing secret holds 24 to 64 bytes, this one {len(key)}")
    return HmacKey(key)


def parse_private_key(text: str) -> Ed25519Key:
    """Read a `whsk_` key of 32 bytes (seed) or 64 (seed and public key); raise `BadSecret` if the halves disagree."""
    raw = _decode(text.removeprefix(PRIVATE_PREFIX))
    if len(raw) not in (32, 64):
        raise BadSecret(f"an ed25519 key holds 32 or 64 bytes, this one {len(raw)}")
    key = Ed25519Key(Ed25519PrivateKey.from_private_bytes(raw[:32]))
    if len(raw) == 64 and key.private.public_key().public_bytes_raw() != raw[32:]:
        raise BadSecret("the public half of this ed25519 key does not belong to its private half")
    return key


def sign(webhook_id: str, timestamp: int, body: bytes, keys: Sequence[SigningKey]) -> str:
    """Return the value of `webhook-signature`: one signature per key, newest key first, separated by spaces.

    `timestamp` is that of this attempt, in seconds since 1970; every attempt is signed anew.
    """
    content = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
    return " ".join([key.signature(content) for key in keys])


def signed_headers(webhook_id: str, timestamp: int, body: bytes, keys: Sequence[SigningKey]) -> list[tuple[str, str]]:
    """Return the three headers of Standard Webhooks for one attempt."""
    return [
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", sign(webhook_id, timestamp, body, keys)),
    ]


def verify_public(header: str, webhook_id: str, timestamp: int, body: bytes, public_text: str) -> bool:
    """Tell whether a `v1a` signature in `header` was made by the private half of a `whpk_` key.

    Here because the published verifier libraries skip `v1a` silently.
    """
    public = Ed25519PublicKey.from_public_bytes(_decode(public_text.removeprefix(PUBLIC_PREFIX)))
    content = b"%b.%d.%b" % (webhook_id.encode(), timestamp, body)
    marked = (one.removeprefix("v1a,") for one in header.split() if one.startswith("v1a,"))
    return any(_made_by(public, signature, content) for signature in marked)


def _made_by(public: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    try:
        public.verify(_decode(signature), content)
    except (InvalidSignature, BadSecret):
        return False
    return True


def _decode(text: str) -> bytes:
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise BadSecret("a signing secret is base64 behind its prefix") from None
