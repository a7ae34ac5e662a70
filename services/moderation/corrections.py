"""What does a correction make of the text it corrects, and does it change just what it names?

Enrichment ran over the filed fields alone, so of what it added nothing is taken that the correction does not name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from shared.domain.events import Correction, Enriched
from shared.domain.facts import Facts
from shared.domain.state import StoryState, StoryText, VersionState
from shared.domain.story import CONTENT_FIELDS, Ninjs, changes_between, content_hash, content_of, covers, merge

POINTERS_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction laid over its base: `filed` holds the whole new text, its hash and its facts.

    `labels` are those of the base that still hold; `changes` and `corrects` as in the public Item.
    """

    filed: Enriched
    labels: tuple[str, ...]
    changes: tuple[dict[str, Any], ...]
    corrects: dict[str, Any]


def base_of(state: StoryState) -> VersionState | None:
    """Return the version that a correction corrects: the released one, else the newest whose text is kept."""
    released = state.versions.get(state.released or 0)
    if released is not None and released.text is not None:
        return released
    kept = [version for version in state.versions.values() if version.text is not None and version.awaits is None]
    return max(kept, key=lambda version: version.version, default=None)


def correct(base: VersionState, text: StoryText, filed: Enriched, named: Correction) -> Corrected | str:
    """Return the corrected filing, or why it is refused, in words without any of the text.

    Refused where something outside the named fields changed, or nothing did (`interfaces`, "Filing content").
    """
    partial = _meant(filed.story, named.fields)
    merged = merge(text.story, partial)
    changes = changes_between(_compared(text.story, partial), _compared(merged, partial))
    outside = [
        change["pointer"] for change in changes if not any(covers(field, change["pointer"]) for field in named.fields)
    ]
    if outside:
        return f"it changes what it does not name: {_some(outside)}"
    if not changes:
        return "none of the fields it names has changed"
    whole = filed.model_copy(
        update={"story": merged, "content_hash": content_hash(merged), "facts": _facts(base.facts, filed.facts)}
    )
    return Corrected(
        filed=whole,
        labels=() if "bodies" in partial else text.labels,
        changes=tuple(changes),
        corrects={"version": base.version, "note": named.note, "fields": list(named.fields)},
    )


def _meant(partial: Ninjs, fields: Iterable[str]) -> dict[str, Any]:
    """Return the filed fields that count: content, which enrichment leaves alone, and whatever else is named."""
    roots = {field.split("/")[1].replace("~1", "/").replace("~0", "~") for field in fields if field.startswith("/")}
    return {key: value for key, value in partial.items() if key in CONTENT_FIELDS or key in roots}


def _compared(story: Ninjs, partial: Ninjs) -> dict[str, Any]:
    """Return what is compared of a story: the filed fields, bodies without those that enrichment derived."""
    content = content_of(story)
    return {key: content.get(key, story.get(key)) for key in partial if key in content or key in story}


def _facts(base: Facts, filed: Facts) -> Facts:
    """Return what the corrected text is judged on; enrichment saw the filed fields only."""
    return base.union(filed).model_copy(update={"urgency": filed.urgency, "lanes": filed.lanes})


def _some(pointers: list[str]) -> str:
    more = len(pointers) - POINTERS_NAMED
    return ", ".join(pointers[:POINTERS_NAMED]) + (f" and {more} more" if more > 0 else "")
