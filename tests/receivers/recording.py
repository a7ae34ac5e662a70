"""What did a subscriber really get, by the judgement of an independent verifier of its signatures?"""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.receivers.serving import Peer, Request, answer


@dataclass(frozen=True, slots=True)
class Recorded:
    """One webhook whose signature was verified; `secrets` are those of the receiver that verify it."""

    webhook_id: str
    timestamp: int
    type: str
    data: dict[str, Any]
    body: bytes
    secrets: tuple[str, ...]


class Recorder:
    """A subscriber's receiver, to be served by `receiving`: verifies, records, answers the challenge.

    `secrets` may be added to and removed from while it runs. `answers` are statuses for the next webhooks in
    turn (challenges left out), 200 when they run out. What no secret verifies is answered 401 and kept in
    `unverified`; everything else lies in `deliveries`, in order of arrival, whatever it was answered.
    """

    def __init__(self, *secrets: str, answers: Iterable[int] = ()) -> None:
        self.secrets = list(secrets)
        self.answers = deque(answers)
        self.deliveries: list[Recorded] = []
        self.challenges: list[str] = []
        self.unverified: list[Request] = []

    async def __call__(self, peer: Peer) -> None:
        while request := await peer.request():
            await peer.say(self._judge(request))

    @property
    def ids(self) -> list[str]:
        return [delivery.webhook_id for delivery in self.deliveries]

    def _judge(self, request: Request) -> bytes:
        verifying = tuple(secret for secret in self.secrets if verifies(request, secret))
        if not verifying:
            self.unverified.append(request)
            return answer(401)
        recorded = _recorded(request, verifying)
        if recorded.type == "endpoint.challenge":
            self.challenges.append(recorded.data["challenge"])
            return answer(200, recorded.data["challenge"].encode(), [("Content-Type", "text/plain")])
        self.deliveries.append(recorded)
        return answer(self.answers.popleft() if self.answers else 200)


def verifies(request: Request, secret: str) -> bool:
    """Tell whether the published `standardwebhooks` library accepts this request under `secret`."""
    try:
        Webhook(secret).verify(request.body, dict(request.headers), json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def _recorded(request: Request, secrets: tuple[str, ...]) -> Recorded:
    message = json.loads(request.body)
    return Recorded(
        webhook_id=request.header("webhook-id") or "",
        timestamp=int(request.header("webhook-timestamp") or 0),
        type=message["type"],
        data=message["data"],
        body=request.body,
        secrets=secrets,
    )
