"""Why does a subscription get a story, and what would a filter have brought? Both asked of the wire, in a terminal."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from cli.api import Api
from cli.exits import Ended, Exit
from cli.filing import read_story
from cli.operations import aligned

SUBSCRIPTIONS = "/v1/subscriptions"


def explained(api: Api, subscription: str, story: str) -> dict[str, Any]:
    """Return what the wire says of one story and one subscription."""
    path = f"{SUBSCRIPTIONS}/{quote(subscription, safe='')}/explain"
    answer: dict[str, Any] = api.ask("GET", "gateway", path, role="subscriber", params={"story_id": story})
    return answer


def explain_text(answer: dict[str, Any]) -> str:
    """The outcome as a sentence, then every clause that was judged."""
    release = f"{answer['story_id']}  version {answer['version']}, release {answer['release_no']} ({answer['kind']})"
    rows = [("CLAUSE", "PASSED", "WANTS", "THE STORY HAS")]
    rows += [
        (each["field"], "yes" if each["passed"] else "no", _listed(each["wanted"]), _listed(each["found"]))
        for each in answer["clauses"]
    ]
    return "\n".join([release, answer["words"], *(["", aligned(rows)] if answer["clauses"] else [])])


def filter_of(file: str | None, **asked: list[str] | int | None) -> dict[str, Any]:
    """Return a filter: that of a JSON file (`-`: standard input), and what options ask for in place of its own."""
    given: Any = {}
    if file is not None:
        try:
            given = json.loads(read_story(file)[0])
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise Ended(Exit.USAGE, f"{file} does not hold a filter: a JSON object like {{'places': ['TJ']}}.")
    return {**given, **{name: value for name, value in asked.items() if value}}


def rehearsed(api: Api, wanted: dict[str, Any], days: int) -> dict[str, Any]:
    """Return what a filter would have brought in the last days."""
    body = {"filter": wanted, "days": days}
    answer: dict[str, Any] = api.ask("POST", "gateway", f"{SUBSCRIPTIONS}/rehearse", role="subscriber", json=body)
    return answer


def rehearse_text(answer: dict[str, Any]) -> str:
    """How many in all, each day, and the newest ones."""
    lanes = ", ".join(f"{lane} {count}" for lane, count in answer["lanes"].items())
    lines = [f"{answer['matches']} of {answer['looked_at']} stories since {answer['looked_back_to']} ({lanes})"]
    if not answer["complete"]:
        lines.append(f"that was as much as is looked at in one go; {answer['since']} was asked for")
    days = [("DAY", "MATCHES", *map(str.upper, answer["lanes"]))]
    days += [(day["day"], str(day["matches"]), *map(str, day["lanes"].values())) for day in answer["days"]]
    sample = [("RELEASED", "LANE", "STORY", "HEADLINE")]
    sample += [(one["released_at"], one["lane"], one["story_id"], one["headline"]) for one in answer["sample"]]
    return "\n".join([*lines, "", aligned(days), *(["", aligned(sample)] if answer["sample"] else [])])


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values)) or "-"
