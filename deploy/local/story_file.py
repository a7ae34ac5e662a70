"""What kind of story file is this, and is the text that arrived the text that was filed?"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """What a verified webhook says of a story, for a person to compare."""

    headline: str
    byline: str
    date: str
    section: str
    first: str
    last: str
    paragraphs: tuple[str, ...]

    @property
    def body_hash(self) -> str:
        return hash_of(self.paragraphs)


def content_type_of(file: Path) -> str:
    """Return the type to file it under: ninjs for JSON, a story dump for anything else."""
    return "application/json" if file.read_bytes().lstrip()[:1] == b"{" else "text/plain; charset=utf-8"


def told_by(item: dict[str, Any]) -> Told:
    """Read a public Item."""
    story = item["story"]
    body = next((each["value"] for each in story.get("bodies", ()) if each.get("contentType") == "text/plain"), "")
    paragraphs = paragraphs_of(body)
    words = " ".join(paragraphs).split()
    sections = [each.get("name", "") for each in story.get("subjects", ()) if each.get("rel") == "section"]
    return Told(
        headline=str((story.get("headlines") or [{}])[0].get("value", "")),
        byline=str(story.get("by", "")),
        date=str(story.get("contentCreated") or story.get("versionCreated") or "")[:10],
        section=sections[0] if sections else "",
        first=" ".join(words[:5]),
        last=" ".join(words[-5:]),
        paragraphs=paragraphs,
    )


def paragraphs_of(text: str) -> tuple[str, ...]:
    """Return the non-blank lines, each without outer space: how a filed and a delivered body are compared."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def hash_of(paragraphs: tuple[str, ...]) -> str:
    """SHA-256 (hex) of the paragraphs joined by blank lines."""
    return hashlib.sha256("\n\n".join(paragraphs).encode()).hexdigest()


def filed_hash(file: Path, told: Told) -> str | None:
    """Hash the filed text between the first and the last delivered paragraph; None when it is not there."""
    raw = file.read_bytes().decode("utf-8-sig", errors="replace")
    if content_type_of(file) == "application/json":
        return _filed_ninjs_hash(raw)
    lines = paragraphs_of(raw)
    if not told.paragraphs or told.paragraphs[0] not in lines or told.paragraphs[-1] not in lines:
        return None
    start = lines.index(told.paragraphs[0])
    end = len(lines) - 1 - lines[::-1].index(told.paragraphs[-1])
    return hash_of(lines[start : end + 1])


def _filed_ninjs_hash(raw: str) -> str | None:
    bodies = json.loads(raw).get("bodies", ())
    plain = [each["value"] for each in bodies if each.get("contentType", "text/plain") == "text/plain"]
    return hash_of(paragraphs_of(plain[0])) if plain else None
