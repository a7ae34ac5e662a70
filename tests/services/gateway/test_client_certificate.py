"""Client certificates: which may be brought, where they are kept, and that none is ever shown again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.gateway.client_certificate import LONGEST_PEM, read_certificate
from services.gateway.refusals import Unfit
from shared.domain.client_certificate import EndpointCertificate
from shared.platform.topics import Topic, key_of
from tests.services.gateway.certificates import DAY, GOOD, KEY, certificate, unlocked
from tests.services.gateway.owners import call, register
from tests.services.gateway.twins import NOON, SEALER, World, world

ANOTHER = ec.generate_private_key(ec.SECP256R1())
SMALL = rsa.generate_private_key(65_537, 1024)  # noqa: S505 - one that must be refused
LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()


@pytest.mark.parametrize(
    "make",
    [
        lambda: GOOD,
        lambda: unlocked() + certificate(),
        lambda: "Bag Attributes: none\n" + certificate() + "\n\n" + certificate(ANOTHER) + unlocked(),
        lambda: certificate() + unlocked(form=PrivateFormat.TraditionalOpenSSL),
        lambda: certificate(use=ExtendedKeyUsageOID.CLIENT_AUTH) + unlocked(),
        lambda: certificate(ed := ed25519.Ed25519PrivateKey.generate()) + unlocked(ed),
        lambda: certificate(big := rsa.generate_private_key(65_537, 2048)) + unlocked(big),
    ],
)
def test_what_fits_together_and_is_valid_may_be_used(make: Callable[[], str]) -> None:
    """In any order, with issuers behind the own certificate; only certificates and the key are kept."""
    read = read_certificate(make(), NOON)
    assert read.pem.count("BEGIN CERTIFICATE") == make().count("BEGIN CERTIFICATE")
    assert "Bag" not in read.pem
    assert read_certificate(read.pem, NOON) == read
    assert (read.subject, read.expires_at, len(read.fingerprint)) == ("CN=slugline at acme", NOON + DAY, 64)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("", "takes one PEM"),
        ("not a certificate", "takes one PEM"),
        (certificate(), "takes one PEM"),
        (unlocked(), "takes one PEM"),
        (GOOD + unlocked(ANOTHER), "takes one PEM"),
        (certificate(ANOTHER) + certificate() + unlocked(), "not that of the private key"),
        (certificate() + unlocked(ANOTHER), "not that of the private key"),
        (certificate().replace("M", "A", 1) + unlocked(), "cannot be read"),
        (certificate() + LOCKED, "locked with a password"),
        (certificate() + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
        (certificate(SMALL) + unlocked(SMALL), "at least 2048 bits"),
        (certificate(ends=NOON) + unlocked(), "expired"),
        (certificate(begins=NOON + timedelta(hours=1)) + unlocked(), "not valid yet"),
        (certificate(use=ExtendedKeyUsageOID.SERVER_AUTH) + unlocked(), "not issued for client"),
    ],
)
def test_what_could_not_be_shown_to_a_receiver_is_refused(pem: str, why: str) -> None:
    """One reason each, and nothing of it is repeated."""
    with pytest.raises(Unfit, match=why) as refused:
        read_certificate(pem, NOON)
    assert "BEGIN" not in str(refused.value)


def kept_for(wire: World, endpoint_id: str) -> list[bytes | None]:
    key = key_of(endpoint_id, "certificate")
    return [one.value for one in wire.topics.on(Topic.SUBSCRIPTION_STATE) if one.key == key]


async def test_a_certificate_is_kept_sealed_and_shown_by_its_fingerprint_only(hooks: World) -> None:
    """In a record of its own; no answer has the certificate or its key."""
    made = await register(hooks, client_certificate=GOOD)
    [value] = kept_for(hooks, made["endpoint_id"])
    kept = EndpointCertificate.model_validate_json(value or b"")
    assert SEALER.open(kept.sealed) == read_certificate(GOOD, NOON).pem
    shown = (await call(hooks, "GET", f"/v1/endpoints/{made['endpoint_id']}")).json()
    assert shown["client_certificate"] == made["client_certificate"]
    assert shown["client_certificate"] == {
        "subject": "CN=slugline at acme",
        "expires_at": "2026-11-25T12:00:00Z",
        "fingerprint": kept.fingerprint,
    }
    assert b"PRIVATE KEY" not in b"".join(one.value or b"" for one in hooks.topics.written)


async def test_a_certificate_is_exchanged_and_taken_away_by_patch(hooks: World) -> None:
    """Left out it stays, null removes it; deleting the endpoint does too."""
    made = await register(hooks, client_certificate=GOOD)
    path = f"/v1/endpoints/{made['endpoint_id']}"
    other = certificate(ANOTHER) + unlocked(ANOTHER)
    changed = (await call(hooks, "PATCH", path, {"client_certificate": other})).json()["client_certificate"]
    kept = (await call(hooks, "PATCH", path, {"description": "x"})).json()["client_certificate"]
    gone = (await call(hooks, "PATCH", path, {"client_certificate": None})).json()["client_certificate"]
    assert changed["fingerprint"] != made["client_certificate"]["fingerprint"]
    assert (kept, gone) == (changed, None)
    assert kept_for(hooks, made["endpoint_id"])[-1] is None


@pytest.mark.parametrize("body", [{"client_certificate": certificate()}, {"client_certificate": "x" * LONGEST_PEM * 2}])
async def test_a_refused_certificate_registers_and_changes_nothing(hooks: World, body: dict[str, Any]) -> None:
    """422 at its pointer, by POST and PATCH."""
    made = await register(hooks)
    written = len(hooks.topics.written)
    posted = await call(hooks, "POST", "/v1/endpoints", {"url": "https://hooks.example.com/x", **body})
    patched = await call(hooks, "PATCH", f"/v1/endpoints/{made['endpoint_id']}", body)
    for answer in (posted, patched):
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/client_certificate")
    assert len(hooks.topics.written) == written


async def test_only_https_asks_for_a_certificate() -> None:
    """An endpoint that is reached in the clear could never be shown one."""
    async with world(allow="127.0.0.1:9999") as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        body = {"url": "http://127.0.0.1:9999/x", "client_certificate": GOOD}
        answer = await call(wire, "POST", "/v1/endpoints", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/client_certificate")
