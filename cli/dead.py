"""Which records could nobody process, and how do they go back? Dead letters in a terminal."""

from __future__ import annotations

import base64
import re
from typing import Any

from cli.api import Api
from cli.exits import Ended, Exit
from cli.operations import aligned

DEAD = "/v1/ops/dead"
PLACE = re.compile(r"(?P<topic>[a-z0-9.]+)(?:/(?P<p1>\d+)/|\[(?P<p2>\d+)\]@)(?P<offset>\d+)")
Place = tuple[str, int, int]
"""topic, partition, offset"""


def place_of(told: str) -> Place:
    """Read `moderation/0/12`, `wire.dead.moderation.v1/0/12` or `wire.dead.moderation.v1[0]@12`. Raises `Ended`."""
    found = PLACE.fullmatch(told)
    if found is None:
        raise Ended(Exit.USAGE, f"{told!r} is no place of a dead letter; one looks like moderation/0/12")
    topic = found["topic"]
    topic = topic if "." in topic else f"wire.dead.{topic}.v1"
    return topic, int(found["p1"] or found["p2"]), int(found["offset"])


def listed(api: Api, **asked: str | int | None) -> dict[str, Any]:
    """Return one page of dead letters and their groups."""
    params = {name: value for name, value in asked.items() if value is not None}
    answer: dict[str, Any] = api.ask("GET", "monitor", DEAD, role="operator", params=params)
    return answer


def list_text(answer: dict[str, Any]) -> str:
    """Groups by cause, then the letters, each with the place that `show` and `redrive` take."""
    if not answer["items"]:
        return "no dead letters"
    groups = [("COUNT", "SERVICE", "FINGERPRINT", "FROM", "NEWEST", "ERROR")]
    groups += [
        (
            str(one["count"]),
            one["service"],
            one["fingerprint"],
            one["from_topic"] or "-",
            one["newest"],
            f"{one['error']}: {one['reason']}",
        )
        for one in answer["groups"]
    ]
    letters = [("PLACE", "AT", "ATTEMPTS", "REDRIVEN", "FINGERPRINT", "KEY")]
    letters += [
        (_short(one), one["at"], str(one["attempts"]), str(one["redriven"]), one["fingerprint"], one["key"] or "-")
        for one in answer["items"]
    ]
    more = [f"more: --cursor {answer['next']}"] if answer["next"] else []
    return "\n".join([aligned(groups), "", aligned(letters), *more])


def shown(api: Api, place: Place, *, with_bytes: bool) -> dict[str, Any]:
    """Return one dead letter, with its bytes in base64 if asked."""
    topic, partition, offset = place
    params = {"bytes": 1} if with_bytes else {}
    path = f"{DEAD}/{topic}/{partition}/{offset}"
    answer: dict[str, Any] = api.ask("GET", "monitor", path, role="operator", params=params)
    return answer


def bytes_of(letter: dict[str, Any]) -> bytes:
    """The parked bytes; none for a tombstone."""
    return base64.b64decode(letter["bytes"] or "")


def show_text(letter: dict[str, Any]) -> str:
    """One fact per line, then the record's own headers."""
    apart = ("bytes", "headers")
    facts = [(name, "-" if value is None else str(value)) for name, value in letter.items() if name not in apart]
    headers = [(f"header {name}", str(value)) for name, value in (letter.get("headers") or {}).items()]
    return aligned([*facts, *headers])


def redriven(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    """Send back what `body` names; may be repeated."""
    answer: dict[str, Any] = api.ask("POST", "monitor", f"{DEAD}/redrive", role="operator", json=body)
    return answer


def redrive_text(answer: dict[str, Any]) -> str:
    """One line per letter, and how many are left."""
    lines = [_redrive(one) for one in answer["items"]] or ["nothing to redrive"]
    if answer["left"]:
        lines.append(f"{answer['left']} left: the same command goes on with them")
    return "\n".join(lines)


def _redrive(one: dict[str, Any]) -> str:
    match one["outcome"]:
        case "redriven":
            return f"redriven {_short(one)} to {one['to_topic']}[{one['to_partition']}]@{one['to_offset']}"
        case "already":
            return f"already redriven {_short(one)}; --again sends it once more"
        case outcome:
            return f"{outcome} {_short(one)}"


def _short(one: dict[str, Any]) -> str:
    service = str(one["topic"]).removeprefix("wire.dead.").removesuffix(".v1")
    return f"{service}/{one['partition']}/{one['offset']}"
