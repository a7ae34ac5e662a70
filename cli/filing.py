"""How is content filed from a terminal, and what became of it?"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from cli.api import Api, story_path
from cli.exits import Ended, Exit

UNDECIDED = frozenset({"received", "accepted"})
SOMEBODY = frozenset({"held", "needs_second_person"})
GOOD = frozenset({"released", "embargoed", "duplicate", "applied", "received", "accepted"})
ASK_EVERY_S = 0.1


def read_story(file: str) -> tuple[bytes, str]:
    """Return the bytes of a file (`-`: standard input) and the content type to file them under."""
    try:
        story = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Ended(Exit.USAGE, f"{file} cannot be read: {error.strerror}.") from None
    if not story.strip():
        raise Ended(Exit.USAGE, f"{file} is empty.")
    is_json = story.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    return story, "application/json" if is_json else "text/plain; charset=utf-8"


def file_story(
    api: Api, file: str, query: dict[str, Any], idempotency_key: str | None, wait_s: float
) -> dict[str, Any]:
    """File a story and return the door's answer with what became of it so far."""
    story, content_type = read_story(file)
    headers = {"content-type": content_type}
    if idempotency_key:
        headers["idempotency-key"] = idempotency_key
    params = {name: str(value) for name, value in query.items() if value is not None}
    accepted = api.ask(
        "POST", "ingest", "/v1/intake/stories", role="desk", content=story, headers=headers, params=params
    )
    return with_receipt(api, accepted, wait_s)


def correct_story(api: Api, story_id: str, correction: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """File a correction (`note`, `fields`, `story`) and return the answer with what became of it so far."""
    path = story_path("/v1/intake/stories", story_id, "/corrections")
    return with_receipt(api, api.ask("POST", "ingest", path, role="desk", json=correction), wait_s)


def with_receipt(api: Api, accepted: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Add the receipt to an answer: waits up to `wait_s` seconds for one that says more than received."""
    deadline = time.monotonic() + wait_s
    receipt: dict[str, Any] = {"state": accepted.get("state", "received")}
    while wait_s > 0:
        try:
            receipt = api.ask("GET", "gateway", f"/v1/desk/receipts/{accepted['event_id']}", role="desk")
        except Ended as error:
            if error.code not in (Exit.NOT_FOUND, Exit.UNREACHABLE):
                raise
        if receipt["state"] not in UNDECIDED or time.monotonic() >= deadline:
            break
        time.sleep(ASK_EVERY_S)
    told = {name: value for name, value in receipt.items() if value is not None}
    return {**accepted, **told}


def ending_of(state: str) -> Exit:
    """The exit code for what became of a filing or decision."""
    if state in SOMEBODY:
        return Exit.NEEDS_SOMEBODY
    return Exit.OK if state in GOOD else Exit.FAILED


def in_words(answer: dict[str, Any]) -> str:
    """One line on a filing: state, id, version and release, and the reason if there is one."""
    parts = [f"{answer['state']:<10}", str(answer["story_id"])]
    if answer.get("version"):
        parts.append(f"version {answer['version']}")
    if answer.get("release_no"):
        parts.append(f"release {answer['release_no']}")
    if answer.get("lane"):
        parts.append(str(answer["lane"]))
    told = "  ".join(parts)
    return f"{told}\n  {answer['reason']}" if answer.get("reason") else told


def correction_of(api: Api, story_id: str, file: str | None, note: str | None, fields: list[str]) -> dict[str, Any]:
    """Return the body of a correction.

    With a file: a ninjs item (the changed fields suffice), or a whole correction with `note` and `fields` in it.
    Without: every field is POINTER=VALUE, laid over the story as it is on the wire.
    """
    if file is not None:
        correction = _from_file(file, note, [field.partition("=")[0] for field in fields])
    else:
        correction = _from_fields(api, story_id, note, fields)
    if not correction["note"]:
        raise Ended(Exit.USAGE, "A correction says what was wrong: --note TEXT.")
    if not correction["fields"]:
        raise Ended(Exit.USAGE, "A correction names what it changes: --field /headlines/0/value (may be repeated).")
    return correction


def _from_file(file: str, note: str | None, fields: list[str]) -> dict[str, Any]:
    raw, _ = read_story(file)
    try:
        told = json.loads(raw)
    except ValueError as error:
        raise Ended(Exit.USAGE, f"{file} is not JSON: {error}.") from None
    if not isinstance(told, dict):
        raise Ended(Exit.USAGE, f"{file} is not a JSON object.")
    if isinstance(told.get("story"), dict):
        return {"note": note or told.get("note"), "fields": fields or told.get("fields"), "story": told["story"]}
    return {"note": note, "fields": fields, "story": told}


def _from_fields(api: Api, story_id: str, note: str | None, fields: list[str]) -> dict[str, Any]:
    pairs = [field.partition("=") for field in fields]
    if not pairs or any(not is_one for _, is_one, _ in pairs):
        raise Ended(Exit.USAGE, "Give a FILE with the corrected fields, or each as --field POINTER=VALUE.")
    current = api.ask("GET", "gateway", story_path("/v1/stories", story_id), role="desk")["story"]
    changed: dict[str, Any] = {}
    for pointer, _, value in pairs:
        top = put(current, pointer, value)
        changed[top] = current[top]
    return {"note": note, "fields": [pointer for pointer, _, _ in pairs], "story": changed}


def put(story: dict[str, Any], pointer: str, value: str) -> str:
    """Set what a JSON pointer (RFC 6901) names, in place; returns the top-level field that it lies in.

    Raises `Ended` where the pointer leads nowhere.
    """
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    if not pointer.startswith("/") or not steps[0]:
        raise Ended(Exit.USAGE, f"{pointer} is no JSON pointer; it looks like /headlines/0/value.")
    at: Any = story
    try:
        for step in steps[:-1]:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            at[int(steps[-1])] = value
        else:
            at[steps[-1]] = value
    except (KeyError, IndexError, ValueError, TypeError):
        raise Ended(Exit.USAGE, f"The story has nothing at {pointer}.") from None
    return steps[0]
