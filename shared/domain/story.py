"""What a story is: its kinds, lanes, content hash, and what changed between two versions.

The public body of a story is a ninjs 3.1 object, kept as a plain dictionary (`Ninjs`): it belongs to the
provider, most of its fields are carried and never looked at.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

Ninjs = Mapping[str, Any]

DERIVED_ROLE: Final = "derived"
"""`role` of a body that enrichment made from another one; such bodies are not part of the content."""

CONTENT_FIELDS: Final = ("headlines", "slugline", "by", "edNote", "descriptions", "bodies")
"""What makes two filings the same content: fields to which enrichment adds nothing but derived bodies."""

FLASH_URGENCY: Final = 2


class Lane(StrEnum):
    """The pair of topics a record rides on each hop; an endpoint has a queue, never a lane."""

    FLASH = "flash"
    ROUTINE = "routine"


class Kind(StrEnum):
    """What a release is; the first release of a story is always `publish`."""

    PUBLISH = "publish"
    UPDATE = "update"
    CORRECT = "correct"
    REFILE = "refile"
    REPEAT = "repeat"
    WITHHOLD = "withhold"
    RELEASE = "release"
    KILL = "kill"


NOTICES: Final = frozenset({Kind.WITHHOLD, Kind.KILL})
"""Kinds whose item is a notice without headline or body."""


def lane_of(urgency: int) -> Lane:
    """Flash for urgency 1–2 (flash, bulletin, alert), routine for 3–8."""
    return Lane.FLASH if urgency <= FLASH_URGENCY else Lane.ROUTINE


def is_embargoed(embargo_until: datetime | None, now: datetime) -> bool:
    """Both aware UTC; at the very instant the embargo is over."""
    return embargo_until is not None and embargo_until > now


def content_of(story: Ninjs) -> dict[str, Any]:
    """Return the part of `story` that makes it the same or another text."""
    content = {field: story[field] for field in CONTENT_FIELDS if field in story}
    if "bodies" in content:
        content["bodies"] = [body for body in content["bodies"] if body.get("role") != DERIVED_ROLE]
    return content


def content_hash(story: Ninjs) -> str:
    """SHA-256 (hex) over the canonical JSON of `content_of(story)`.

    Taken by ingest over what was filed, and by moderation over a merged correction. Canonical: UTF-8,
    sorted keys, no spaces, so key order and whitespace of the filing do not matter; array order does.
    """
    canonical = json.dumps(content_of(story), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def headline_of(story: Ninjs) -> str:
    """Return the main headline, or an empty string (notices have none)."""
    headlines = story.get("headlines") or [{}]
    return str(headlines[0].get("value", ""))


def plain_body_of(story: Ninjs) -> str:
    """Return the text/plain body, or an empty string."""
    for body in story.get("bodies", ()):
        if body.get("contentType", "text/plain") == "text/plain":
            return str(body.get("value", ""))
    return ""


def merge(base: Ninjs, partial: Ninjs) -> dict[str, Any]:
    """Lay a correction's fields over the corrected text; arrays are replaced whole."""
    kept = {"uri", "version"}
    return {**base, **{field: value for field, value in partial.items() if field not in kept}}


def changes_between(was: Any, now: Any, pointer: str = "") -> list[dict[str, Any]]:
    """List what differs as `{"pointer": RFC 6901, "was": …, "is": …}`; absent is None.

    Objects are compared key by key; arrays of equal length item by item, others as one change.
    """
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        keys: Iterable[str] = dict.fromkeys([*was, *now])
        return [
            change
            for key in keys
            for change in changes_between(was.get(key), now.get(key), f"{pointer}/{_escaped(key)}")
        ]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [
            change
            for index, pair in enumerate(zip(was, now, strict=True))
            for change in changes_between(*pair, f"{pointer}/{index}")
        ]
    return [] if was == now else [{"pointer": pointer, "was": was, "is": now}]


def covers(field: str, pointer: str) -> bool:
    """Tell whether a correction that names `field` (a JSON pointer) may change what is at `pointer`."""
    return pointer == field or pointer.startswith(field.rstrip("/") + "/")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
