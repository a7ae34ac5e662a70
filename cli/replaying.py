"""How does an endpoint get again what it was owed? Asked for, followed to its end, or cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from cli.api import Api
from cli.exits import Exit

GOES_ON = ("requested", "running")


def asked(api: Api, endpoint_id: str, since: str | None, cursor: str | None) -> dict[str, Any]:
    """Ask for a replay since a time or a cursor of the stream."""
    body = {name: value for name, value in (("since", since), ("cursor", cursor)) if value is not None}
    answer: dict[str, Any] = api.ask("POST", "gateway", _path(endpoint_id), role="subscriber", json=body)
    return answer


def cancelled(api: Api, endpoint_id: str, replay_id: str) -> dict[str, Any]:
    """Cancel one; may be repeated."""
    answer: dict[str, Any] = api.ask("DELETE", "gateway", _path(endpoint_id, replay_id), role="subscriber")
    return answer


def followed(api: Api, replay: dict[str, Any], every_s: float, told: Callable[[str], None]) -> dict[str, Any]:
    """Look again until it has ended, telling whatever has changed; return it as it is then."""
    path, last = _path(replay["endpoint_id"], replay["replay_id"]), ""
    while replay["state"] in GOES_ON:
        if (line := in_words(replay)) != last:
            told(line)
            last = line
        time.sleep(every_s)
        replay = api.ask("GET", "gateway", path, role="subscriber")
    return replay


def in_words(replay: dict[str, Any]) -> str:
    """Its id, its state and how far it is."""
    left = "" if replay["left"] is None else f", {replay['left']} releases left"
    reason = f": {replay['reason']}" if replay["reason"] else ""
    return f"{replay['replay_id']} {replay['state']}, {replay['sent']} sent, {replay['skipped']} skipped{left}{reason}"


def ending_of(replay: dict[str, Any]) -> Exit:
    """What the command ends with: a replay that was cancelled or failed did not send all."""
    return Exit.FAILED if replay["state"] in ("cancelled", "failed") else Exit.OK


def _path(endpoint_id: str, replay_id: str | None = None) -> str:
    one = "" if replay_id is None else f"/{quote(replay_id, safe='')}"
    return f"/v1/endpoints/{quote(endpoint_id, safe='')}/replays{one}"
