"""Does npm's standardwebhooks take what we send, as the Python library does?"""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Sequence

import pytest

from services.distribution.adapters.sender import WebhookSender
from services.distribution.outcome import Delivered
from services.distribution.sending import SendRequest
from shared.platform.egress import EgressPolicy
from shared.platform.signature import (
    SigningKey,
    new_private_key,
    new_secret,
    parse_private_key,
    parse_secret,
    signed_headers,
)
from tests.clients.listening import PROGRAMS
from tests.npm import Unavailable, modules
from tests.receivers import friendly
from tests.receivers.serving import Request, receiving

LIBRARIES = ("standardwebhooks", "@stablelib/base64", "fast-sha256")
BODIES = (b'{"type":"story.publish"}', '{"headline":"Ёлка ☃ – «мост»"}'.encode(), b'{"body":"%b"}' % (b"x" * 65_536))
SECRET, OLD = new_secret(), new_secret()


async def delivered(keys: Sequence[SigningKey]) -> list[Request]:
    """Every body as it comes off the wire, signed with these keys."""
    async with receiving(friendly.slow(0)) as receiver, WebhookSender(EgressPolicy(receiver.allow)) as sender:
        for number, body in enumerate(BODIES):
            headers = signed_headers(f"dlv_{number}", int(time.time()), body, keys)
            assert (await sender.send(SendRequest(receiver.url, headers, body))).outcome == Delivered(200)
        return receiver.requests


def verdicts(requests: Sequence[Request], secret: str) -> list[str]:
    """What the library says of each; the test is skipped where node or the library cannot be had."""
    try:
        if shutil.which("node") is None:
            raise Unavailable("node is not here")
        folder = modules(*LIBRARIES)
    except Unavailable as why:
        pytest.skip(str(why))
    program = shutil.copy(PROGRAMS / "verify.mjs", folder)
    lines = "".join(_line(one, secret) for one in requests)
    ran = subprocess.run(["node", program], input=lines, capture_output=True, text=True, timeout=60, check=True)
    return ran.stdout.splitlines()


def _line(request: Request, secret: str) -> str:
    body = base64.b64encode(request.body).decode()
    return json.dumps({"secret": secret, "headers": dict(request.headers), "body": body}) + "\n"


@pytest.mark.parametrize(
    "keys",
    [
        [parse_secret(SECRET)],
        [parse_secret(OLD), parse_secret(SECRET)],
        [parse_private_key(new_private_key()), parse_secret(SECRET)],
    ],
    ids=["one secret", "while it rotates", "v1a beside it"],
)
async def test_every_delivery_is_verified(keys: list[SigningKey]) -> None:
    """Whatever the letters, whatever the size, and whichever of the signatures is for this library."""
    assert verdicts(await delivered(keys), SECRET) == ["verified"] * len(BODIES)


async def test_what_another_signed_is_not() -> None:
    """The judge can say no."""
    assert set(verdicts(await delivered([parse_secret(OLD)]), SECRET)) == {"No matching signature found"}
