"""What every parser of incoming material gives back, and how it says no."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

MAX_CONTENT_BYTES: Final = 256 * 1024
"""Largest story taken, as compact UTF-8 JSON: topics take 2 MiB and a story is copied many times on its way."""

NINJS_3_1: Final = {
    "name": "ninjs",
    "version": "3.1",
    "schema": "http://www.iptc.org/std/ninjs/ninjs-schema_3.1.json",
}
"""The `standard` block of a story whose source named none."""

SECTION_REL: Final = "section"
"""The `rel` of the subject that carries a page's or feed's section, so that plain ninjs readers see it too."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with the input, in words that say what to do.

    `pointer` is an RFC 6901 JSON Pointer into JSON input, `line` counts from 1 in text input; both are None where the
    whole input is meant.
    """

    pointer: str | None
    line: int | None
    message: str


class Unparsable(Exception):
    """The input can never become a story as it stands; `errors` holds at least one entry."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class TooLarge(Exception):
    """The input, or the story in it, is over a size limit. Both sizes are in bytes."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what} is {size} bytes; at most {limit} are taken")
        self.what = what
        self.size = size
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Parsed:
    """A story as its source gave it, before it has an identity.

    `story` is valid ninjs 3.1 but for `uri`, which it holds only if the source gave one; its text/html is as given,
    not sanitised. `provider_version` is ≥ 1. Times are aware UTC. `section` and `urgency` repeat what `story` says, for
    those who decide the lane. `confidence` runs from 0 to 1 and is 1 for structured input. `pub_status` is one of
    usable, withheld, canceled.
    """

    story: dict[str, Any]
    story_id: str | None = None
    provider_version: int | None = None
    source_item_id: str | None = None
    section: str | None = None
    urgency: int | None = None
    embargo_until: datetime | None = None
    published_at: datetime | None = None
    confidence: float = 1.0
    labels: tuple[str, ...] = ()
    pub_status: str = "usable"


def content_size(story: dict[str, Any]) -> int:
    """Bytes of `story` as compact UTF-8 JSON."""
    return len(json.dumps(story, ensure_ascii=False, separators=(",", ":")).encode())


def refuse_oversize(story: dict[str, Any]) -> None:
    """Raise TooLarge if `story` is over MAX_CONTENT_BYTES."""
    size = content_size(story)
    if size > MAX_CONTENT_BYTES:
        raise TooLarge("the story", size, MAX_CONTENT_BYTES)


def one_body(story: dict[str, Any], content_type: str) -> str | None:
    """The value of the first body of `story` with that media type, parameters aside."""
    for body in story.get("bodies", ()):
        if media_type(body) == content_type:
            value: str = body["value"]
            return value
    return None


def media_type(text: dict[str, Any]) -> str:
    """The bare lower-case media type of a headline, description or body; empty if it names none."""
    return str(text.get("contentType", "")).split(";")[0].strip().lower()
