"""How is a story killed from a terminal, and who is the second person?"""

from __future__ import annotations

import time
from typing import Any

from cli.api import Api, story_path
from cli.exits import Ended, Exit

PENDING = frozenset({"accepted"})
ASK_EVERY_S = 0.1


def kill(
    api: Api,
    story_id: str,
    reason: str,
    *,
    replacement: str | None = None,
    break_glass: bool = False,
    confirm_as: str | None = None,
    wait_s: float = 5.0,
) -> dict[str, Any]:
    """Ask for a kill, confirm it with a second key if one is given, and return how the decision stands.

    `confirm_as` is a role of the local instance (`editor2`) or a key.
    """
    body = {"reason": reason, "replacement": replacement, "break_glass": break_glass}
    decision: dict[str, Any] = api.ask(
        "POST", "gateway", story_path("/v1/desk/stories", story_id, "/kill"), role="editor", json=body
    )
    if decision["state"] in PENDING:
        decision = settled(api, decision, wait_s)
    if decision["state"] == "needs_second_person" and confirm_as:
        return confirm(api, decision["decision_id"], confirm_as, wait_s=wait_s)
    return decision


def confirm(api: Api, decision_id: str, key_or_role: str = "editor", *, wait_s: float = 5.0) -> dict[str, Any]:
    """Confirm a decision as the second person, and return how it stands."""
    key = api.wire.keys.get(key_or_role) or (api.wire.key_for("editor") if key_or_role == "editor" else key_or_role)
    path = f"/v1/desk/decisions/{decision_id}/confirm"
    decision = api.ask("POST", "gateway", path, role="editor", key=key)
    return settled(api, decision, wait_s, known={"needs_second_person"})


def settled(api: Api, decision: dict[str, Any], wait_s: float, known: set[str] | None = None) -> dict[str, Any]:
    """Wait up to `wait_s` seconds until the decision stands otherwise than accepted (or as in `known`)."""
    deadline = time.monotonic() + wait_s
    pending = PENDING | (known or set())
    while decision["state"] in pending and time.monotonic() < deadline:
        time.sleep(ASK_EVERY_S)
        try:
            decision = api.ask("GET", "gateway", f"/v1/desk/decisions/{decision['decision_id']}", role="editor")
        except Ended as error:
            if error.code is not Exit.NOT_FOUND:
                raise
    return decision


def in_words(decision: dict[str, Any]) -> str:
    """One line on a decision, and what to do when it waits for somebody."""
    told = f"{decision['state'].replace('_', ' ')}  decision {decision['decision_id']}"
    if decision.get("reason"):
        told += f"\n  {decision['reason']}"
    if decision["state"] == "needs_second_person":
        told += f"\n  another editor confirms it: wire confirm {decision['decision_id']}"
    return told
