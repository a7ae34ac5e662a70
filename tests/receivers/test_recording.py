"""What the recording receiver takes for genuine: a receiver that accepts everything would prove nothing."""

import json
import time

from services.distribution.adapters.fallback.sender import AiohttpSender
from services.distribution.outcome import Delivered, Refused
from services.distribution.sending import Answer, SendRequest
from shared.platform.egress import EgressPolicy
from shared.platform.signature import new_secret, parse_secret, signed_headers
from tests.receivers.recording import Recorder
from tests.receivers.serving import Receiver, receiving


def webhook(
    receiver: Receiver, secrets: list[str], type_: str, data: dict[str, str], at: int | None = None
) -> SendRequest:
    body = json.dumps({"type": type_, "timestamp": "2026-11-23T12:00:00.000Z", "data": data}).encode()
    keys = [parse_secret(secret) for secret in secrets]
    return SendRequest(receiver.url, signed_headers(f"dlv_{type_}", at or int(time.time()), body, keys), body)


async def send(receiver: Receiver, request: SendRequest) -> Answer:
    async with AiohttpSender(EgressPolicy(receiver.allow)) as sender:
        return await sender.send(request)


async def test_a_challenge_is_answered_with_its_string() -> None:
    """And is no delivery."""
    secret = new_secret()
    recorder = Recorder(secret)
    async with receiving(recorder) as receiver:
        answer = await send(receiver, webhook(receiver, [secret], "endpoint.challenge", {"challenge": "c-1"}))
    assert (answer.outcome, answer.excerpt) == (Delivered(200), "c-1")
    assert (recorder.challenges, recorder.deliveries) == (["c-1"], [])


async def test_a_wrong_secret_is_not_recorded() -> None:
    """Nor answered as if it had been."""
    recorder = Recorder(new_secret())
    async with receiving(recorder) as receiver:
        answer = await send(receiver, webhook(receiver, [new_secret()], "story.publish", {}))
    assert answer.outcome == Refused(401)
    assert (recorder.deliveries, len(recorder.unverified)) == ([], 1)


async def test_an_old_timestamp_is_not_recorded() -> None:
    """A replay of yesterday's webhook carries a true signature and is refused all the same."""
    secret = new_secret()
    recorder = Recorder(secret)
    async with receiving(recorder) as receiver:
        yesterday = int(time.time()) - 86_400
        answer = await send(receiver, webhook(receiver, [secret], "story.publish", {}, yesterday))
    assert answer.outcome == Refused(401)


async def test_a_rotation_is_seen_from_outside() -> None:
    """During the overlap both secrets verify, and the record says so; the planned answers come in turn."""
    old, new = new_secret(), new_secret()
    recorder = Recorder(old, new, answers=[503])
    async with receiving(recorder) as receiver:
        first = await send(receiver, webhook(receiver, [new, old], "story.publish", {"headline": "Ä"}))
        second = await send(receiver, webhook(receiver, [new], "story.update", {}))
    assert (first.outcome, second.outcome) == (Refused(503), Delivered(200))
    assert [delivery.secrets for delivery in recorder.deliveries] == [(old, new), (new,)]
    assert recorder.ids == ["dlv_story.publish", "dlv_story.update"]
    assert recorder.deliveries[0].data == {"headline": "Ä"}
