"""How does an operator get rid of an old sealing key? Every secret is sealed anew, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cli.api import Api

PAGE = 200


def resealed(api: Api, progress: Callable[[str], None]) -> dict[str, Any]:
    """Walk through every endpoint, telling how far; return the sums. May be repeated, also after a break."""
    sums: dict[str, Any] = {"examined": 0, "resealed": 0, "unreadable": []}
    cursor = None
    while True:
        body = {"cursor": cursor, "limit": PAGE}
        page = api.ask("POST", "gateway", "/v1/secrets/reseal", role="operator", json=body)
        sums = {name: known + page[name] for name, known in sums.items()}
        cursor = page["next"]
        progress(f"{sums['examined']} of {page['total']} endpoints")
        if cursor is None:
            return sums


def in_words(sums: dict[str, Any]) -> str:
    """What was done, and whether the old key can go."""
    lines = [f"{sums['examined']} endpoints, {sums['resealed']} records sealed anew"]
    lines += [f"no key opens the secrets of {endpoint_id}: its owner must rotate" for endpoint_id in sums["unreadable"]]
    if sums["resealed"]:
        lines.append("run it once more: the old key can go when nothing is sealed anew")
    elif not sums["unreadable"]:
        lines.append("everything is under the newest key: the older ones can be dropped")
    return "\n".join(lines)
