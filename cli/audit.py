"""Who did what, and is the record of it whole? The audit in a terminal."""

from __future__ import annotations

from typing import Any

from cli.api import Api
from cli.operations import aligned

AUDIT = "/v1/ops/audit"
READ_WITHIN_S = 310.0
"""A year of entries is read before the answer comes."""


def listed(api: Api, **asked: str | int | None) -> dict[str, Any]:
    """Return the newest entries that are asked for."""
    params = {name: value for name, value in asked.items() if value is not None}
    answer: dict[str, Any] = api.ask("GET", "monitor", AUDIT, role="operator", params=params, timeout=READ_WITHIN_S)
    return answer


def list_text(answer: dict[str, Any]) -> str:
    """One line per entry, newest first."""
    if not answer["items"]:
        return "no entries"
    rows = [("AT", "ACTOR", "ACTION", "OBJECT", "DETAIL")]
    rows += [(one["at"], one["actor"], one["action"], one["object"], _detail(one["detail"])) for one in answer["items"]]
    return aligned(rows)


def verified(api: Api, since: str | None) -> dict[str, Any]:
    """Return what following every chain has found."""
    params = {} if since is None else {"since": since}
    answer: dict[str, Any] = api.ask(
        "GET", "monitor", f"{AUDIT}/verify", role="operator", params=params, timeout=READ_WITHIN_S
    )
    return answer


def verify_text(answer: dict[str, Any]) -> str:
    """The faults first, then what was read."""
    lines = [_fault(one) for one in answer["faults"]]
    if answer["more_faults"]:
        lines.append(f"and {answer['more_faults']} more")
    read = f"{answer['entries']} entries of {answer['writers']} writers read"
    repeated = f", {answer['repeated']} of them lie there twice" if answer["repeated"] else ""
    verdict = "whole" if answer["ok"] else "NOT WHOLE"
    begun = answer["complete_since"]
    kept = f"\ncomplete since {begun}: what is older is kept no longer, or was not asked for" if begun else ""
    return "\n".join([*lines, f"{verdict}: {read}{repeated}{kept}"])


def _fault(one: dict[str, Any]) -> str:
    whose = f"{one['writer'] or 'an unknown writer'} entry {'?' if one['n'] is None else one['n']}"
    return f"{one['what']}: {whose} (partition {one['partition']}, offset {one['offset']}): {one['why']}"


def _detail(detail: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in detail.items())
