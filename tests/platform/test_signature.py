"""Signatures that others verify: the published vectors, the published library, rotation, and v1a."""

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from shared.platform.signature import (
    BadSecret,
    HmacKey,
    new_private_key,
    new_secret,
    parse_private_key,
    parse_secret,
    sign,
    signed_headers,
    verify_public,
)

# The vectors of the Standard Webhooks libraries: the same message under a shared and under a private key.
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def test_the_published_v1_vector_is_met() -> None:
    """HMAC-SHA256 over id, timestamp and body."""
    assert sign(ID, AT, BODY, [parse_secret(SHARED)]) == V1


def test_the_published_v1a_vector_is_met() -> None:
    """ed25519 over the same bytes; seed alone and seed with public key are the same key."""
    key = parse_private_key(PRIVATE)
    assert sign(ID, AT, BODY, [key]) == V1A
    assert key.public_text == PUBLIC
    seed = base64.b64encode(base64.b64decode(PRIVATE.removeprefix("whsk_"))[:32]).decode()
    assert parse_private_key(seed).text == PRIVATE


def test_v1_and_v1a_stand_side_by_side() -> None:
    """A receiver may read either; the library that knows v1 only finds its own."""
    secret, private = new_secret(), parse_private_key(new_private_key())
    now = int(time.time())
    headers = dict(signed_headers("dlv_1", now, BODY, [parse_secret(secret), private]))
    assert Webhook(secret).verify(BODY, headers)
    assert verify_public(headers["webhook-signature"], "dlv_1", now, BODY, private.public_text)


@pytest.mark.parametrize(("webhook_id", "at", "body"), [("dlv_2", AT, BODY), (ID, AT + 1, BODY), (ID, AT, BODY + b" ")])
def test_a_changed_message_is_not_verified(webhook_id: str, at: int, body: bytes) -> None:
    """Id, timestamp and body are all under the signature."""
    assert verify_public(V1A, ID, AT, BODY, PUBLIC)
    assert not verify_public(V1A, webhook_id, at, body, PUBLIC)


@pytest.mark.parametrize("header", ["", "v1a", "v1a,", "v1a,!!!", "v1a,AAAA", V1, "v1," + V1A[4:]])
def test_a_header_without_our_signature_is_not_verified(header: str) -> None:
    """Broken, missing or under another version's name: no, and no error."""
    assert not verify_public(header, ID, AT, BODY, PUBLIC)


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(codec="utf-8"), max_size=200))
def test_the_published_library_signs_alike(key: bytes, body: str) -> None:
    """Any secret of the allowed length, any text."""
    ours = HmacKey(key)
    theirs = Webhook(ours.text).sign("dlv_1", datetime.fromtimestamp(AT, UTC), body)
    assert sign("dlv_1", AT, body.encode(), [ours]) == theirs


def test_both_secrets_verify_during_a_rotation() -> None:
    """The new secret's signature stands first, the old one's after it; a third secret finds nothing."""
    old, new, other = new_secret(), new_secret(), new_secret()
    headers = dict(signed_headers("dlv_1", int(time.time()), BODY, [parse_secret(new), parse_secret(old)]))
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)


def test_a_new_secret_is_fresh_and_holds_32_bytes() -> None:
    """And reads back as itself."""
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(parse_secret(first).key) == 32
    assert parse_secret(first).text == first


@pytest.mark.parametrize("size", [24, 25, 32, 64])
def test_a_secret_of_ones_own_may_lack_prefix_and_padding(size: int) -> None:
    """Both are added when it is shown again."""
    full = HmacKey(bytes(range(size))).text
    bare = full.removeprefix("whsec_").rstrip("=")
    assert parse_secret(bare) == parse_secret(full)
    assert parse_secret(bare).text == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_" + "A" * 28,
        "whsec_" + "A" * 88,
        "whsec_not base64 at all, sorry",
        "whsec_" + "-_" * 20,
        "ü",
    ],
)
def test_a_secret_that_is_too_short_too_long_or_no_base64_is_refused(text: str) -> None:
    """24 to 64 bytes; the refusal does not repeat it."""
    with pytest.raises(BadSecret) as refused:
        parse_secret(text)
    assert not text.removeprefix("whsec_") or text not in str(refused.value)


def test_a_private_key_whose_halves_disagree_is_refused() -> None:
    """Signing with it would give signatures that nobody can verify."""
    raw = bytearray(base64.b64decode(PRIVATE.removeprefix("whsk_")))
    raw[-1] ^= 1
    with pytest.raises(BadSecret, match="public half"):
        parse_private_key(base64.b64encode(raw).decode())
    with pytest.raises(BadSecret, match="32 or 64"):
        parse_private_key(base64.b64encode(raw[:40]).decode())


def test_keys_do_not_show_themselves() -> None:
    """What lands in a log or a traceback is not the secret."""
    assert "MfKQ" not in repr(parse_secret(SHARED))
    assert repr(parse_secret(SHARED).key) not in repr(parse_secret(SHARED))
    assert "private" not in repr(parse_private_key(PRIVATE))
