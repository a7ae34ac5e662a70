"""What does a webhook of a wire look like, byte for byte? Made here without any wire, to try receivers with."""

from __future__ import annotations

import binascii
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.exits import Ended, Exit

USER_AGENT = "Slugline/0.1 (+webhooks; wire grade)"
NOTICES = ("story.withhold", "story.kill")


@dataclass(frozen=True, slots=True)
class Post:
    """One POST: headers complete but for those of the transport."""

    headers: dict[str, str]
    body: bytes

    def with_headers(self, **changed: str | None) -> Post:
        """The same with other headers, `_` for `-`; None leaves one out."""
        headers = self.headers | {name.replace("_", "-"): value for name, value in changed.items() if value is not None}
        gone = {name.replace("_", "-") for name, value in changed.items() if value is None}
        return Post({name: value for name, value in headers.items() if name not in gone}, self.body)


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as Standard Webhooks 1.0 says, with the published library; raises `Ended` for what is no secret."""

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        self.sign("probe", datetime.now(UTC), b"")

    def sign(self, webhook_id: str, at: datetime, body: bytes) -> str:
        """Return one `v1,…` signature."""
        from standardwebhooks import Webhook
        from standardwebhooks.webhooks import EmptyWebhookSecretError

        try:
            return Webhook(self.secret).sign(webhook_id, at, body.decode())
        except (ValueError, EmptyWebhookSecretError):
            raise Ended(Exit.USAGE, "The secret is none: it looks like whsec_ and base64.") from None

    def post(self, message: dict[str, Any], *, webhook_id: str | None = None, at: datetime | None = None) -> Post:
        """Return the message as a webhook, of this moment and with an id of its own unless told otherwise."""
        return self.signed(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(), webhook_id, at)

    def signed(self, body: bytes, webhook_id: str | None = None, at: datetime | None = None) -> Post:
        """Return these bytes as a webhook."""
        moment, name = at or datetime.now(UTC), webhook_id or new_id()
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "webhook-id": name,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self.sign(name, moment, body),
        }
        return Post(headers, body)


def new_id() -> str:
    return f"dlv_{secrets.token_hex(16)}"


def new_story_id() -> str:
    return f"urn:slugline:grade:{secrets.token_hex(8)}"


def another_secret() -> str:
    """A secret that nobody else has."""
    return "whsec_" + binascii.b2a_base64(secrets.token_bytes(32), newline=False).decode()


def story_message(
    type_: str, story_id: str, release_no: int, text: str = "This text is about nothing."
) -> dict[str, Any]:
    """A `story.…` message; a withhold or a kill has no text."""
    now = _now()
    kind = type_.removeprefix("story.")
    story: dict[str, Any] = {"uri": story_id, "type": "text", "version": str(release_no), "versionCreated": now}
    if type_ in NOTICES:
        story["pubStatus"] = "canceled" if kind == "kill" else "withheld"
        more: dict[str, Any] = {"notice": "A test of your receiver: take every version of this story off."}
    else:
        story |= {
            "pubStatus": "usable",
            "urgency": 4,
            "headlines": [{"value": f"A test of your receiver, release {release_no}"}],
            "bodies": [{"contentType": "text/plain", "value": text}],
        }
        more = {"labels": [], "changes": [], "corrects": None, "supersedes": None, "lineage": []}
    data = {
        "seq": release_no,
        "lane": "flash" if kind == "kill" else "routine",
        "kind": kind,
        "story_id": story_id,
        "version": release_no,
        "release_no": release_no,
        "released_at": now,
        "stage_times": {},
        "story": story,
        **more,
    }
    return {"type": type_, "timestamp": now, "data": data}


def challenge_message(challenge: str) -> dict[str, Any]:
    """The question that an endpoint answers before anything else is sent to it."""
    now = _now()
    return {"type": "endpoint.challenge", "timestamp": now, "data": {"challenge": challenge}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
