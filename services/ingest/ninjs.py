"""What story does a ninjs 3.x document hold?"""

import re
from datetime import datetime
from typing import Any, Final

from services.ingest.cleaning import BIDI_CONTROLS_REMOVED, html_to_text, looks_like_markup, without_bidi_controls
from services.ingest.json_reading import NESTED_TOO_DEEPLY, json_object
from services.ingest.ninjs_check import instant, problems
from services.ingest.parsed import (
    NINJS_3_1,
    SECTION_REL,
    FieldError,
    Parsed,
    Unparsable,
    media_type,
    one_body,
    refuse_oversize,
)

URGENCY_9: Final = "urgency-9-read-as-8"
PLAIN_TEXT_DERIVED: Final = "plain-text-derived"
BODY_FROM_DESCRIPTION: Final = "body-from-description"
VERSION_NOT_A_NUMBER: Final = "version-not-a-number"

_VERSION: Final = re.compile(r"0*[1-9][0-9]{0,14}")  # from 1; exact also where numbers are 64-bit floats
_MAX_URI_CHARS: Final = 1024  # it is a record key and stands in addresses


def parse(body: bytes) -> Parsed:
    """Read one ninjs 3.x item of type text, as UTF-8 JSON.

    Every field that ninjs 3.1 holds comes through unchanged, except that bidirectional control characters are taken
    out and an urgency of 9 is read as 8 and kept in `altIds`. Added where absent: `type`, `standard`, and a text/plain
    body made from the HTML, or from the description of an item that has no body. An item without `type` is text if it
    has a headline and no event. A withheld or canceled item may come without text, but not without `uri`.

    Raises Unparsable (with JSON Pointers) or TooLarge. Spec: IPTC ninjs 3.1, closed at every level.
    """
    given = json_object(body)
    _refuse_oversize_input(given)
    _refuse_other_types(given)
    if found := problems(given):
        raise Unparsable(*found)
    story, labels = _without_bidi(given)
    _refuse_incomplete(story)
    labels += _complete(story)
    labels += _lower_urgency(story)
    refuse_oversize(story)
    version = _VERSION.fullmatch(story.get("version", ""))
    if "version" in story and not version:
        labels += (VERSION_NOT_A_NUMBER,)
    return Parsed(
        story=story,
        story_id=story.get("uri"),
        provider_version=int(version[0]) if version else None,
        section=_section(story),
        urgency=story.get("urgency"),
        embargo_until=_time(story, "embargoedUntil"),
        published_at=_time(story, "firstCreated", "contentCreated", "versionCreated"),
        labels=labels,
        pub_status=story.get("pubStatus", "usable"),
    )


def _refuse_oversize_input(given: dict[str, Any]) -> None:
    """Measure before walking, so that ten megabytes cost no more than reading them; a lone surrogate cannot be sent."""
    try:
        refuse_oversize(given)
    except UnicodeEncodeError:
        said = "the text holds half of a surrogate pair (\\ud800 to \\udfff); send whole characters"
        raise Unparsable(FieldError("", None, said)) from None
    except RecursionError:
        raise Unparsable(FieldError("", None, NESTED_TOO_DEEPLY)) from None


def _refuse_other_types(given: dict[str, Any]) -> None:
    kind = given.get("type", "text")
    if kind != "text":
        named = repr(kind)[:40] if not isinstance(kind, str) else kind[:40]
        raise Unparsable(FieldError("/type", None, f"type {named} is not taken yet; only text"))
    if "type" not in given and "eventDetails" in given:
        said = "an item without type that has eventDetails reads as an event, which is not taken yet; only text"
        raise Unparsable(FieldError("/type", None, said))


def _without_bidi(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    changed = False

    def clean(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, str):
            kept = without_bidi_controls(value)
            changed = changed or kept != value
            return kept
        if isinstance(value, list):
            return [clean(part) for part in value]
        return {key: clean(part) for key, part in value.items()} if isinstance(value, dict) else value

    story: dict[str, Any] = clean(given)
    return story, (BIDI_CONTROLS_REMOVED,) if changed else ()


def _refuse_incomplete(story: dict[str, Any]) -> None:
    errors = []
    if len(story.get("uri", "")) > _MAX_URI_CHARS:
        errors.append(FieldError("/uri", None, f"is longer than {_MAX_URI_CHARS} characters; use a shorter one"))
    if story.get("pubStatus", "usable") != "usable":
        if "uri" not in story:
            errors.append(FieldError("/uri", None, f"is missing; pubStatus {story['pubStatus']} must name its story"))
    else:
        if not _has_words(story, "headlines"):
            errors.append(FieldError("/headlines", None, "is missing or empty; give one headline with a value"))
        if not _has_words(story, "bodies") and not _has_words(story, "descriptions"):
            errors.append(FieldError("/bodies", None, "is missing or empty; give the text in one body with a value"))
    if errors:
        raise Unparsable(*errors)


def _has_words(story: dict[str, Any], field: str) -> bool:
    return any(text["value"].strip() for text in story.get(field, ()))


def _complete(story: dict[str, Any]) -> tuple[str, ...]:
    """Add what later stages count on; the labels of what was added to the text."""
    story.setdefault("type", "text")
    story.setdefault("standard", dict(NINJS_3_1))
    plain = one_body(story, "text/plain")
    if (plain and plain.strip()) or story.get("pubStatus", "usable") != "usable":
        return ()
    field, label = ("bodies", PLAIN_TEXT_DERIVED)
    if not _has_words(story, "bodies"):
        field, label = ("descriptions", BODY_FROM_DESCRIPTION)
    text = _plain(story[field])
    if not text:
        raise Unparsable(FieldError(f"/{field}", None, "holds markup but no words; give the text of the story"))
    story["bodies"] = [*story.get("bodies", ()), {"role": "text", "contentType": "text/plain", "value": text}]
    return (label,)


def _plain(texts: list[dict[str, Any]]) -> str:
    """The plain text of the first entry that has words: HTML before other markup, as it loses least."""
    for text in sorted(texts, key=lambda text: media_type(text) != "text/html"):
        value = text["value"]
        is_markup = media_type(text) != "text/plain" and looks_like_markup(value)
        if words := html_to_text(value) if is_markup else value.strip():
            return words
    return ""


def _lower_urgency(story: dict[str, Any]) -> tuple[str, ...]:
    if story.get("urgency") != 9:
        return ()
    story["urgency"] = 8
    story["altIds"] = [*story.get("altIds", ()), {"role": "urgency", "value": "9"}]
    return (URGENCY_9,)


def _section(story: dict[str, Any]) -> str | None:
    names = (
        part.get("name") or part.get("literal") for part in story.get("subjects", ()) if part.get("rel") == SECTION_REL
    )
    return next(filter(None, names), None)


def _time(story: dict[str, Any], *fields: str) -> datetime | None:
    named = next((story[field] for field in fields if field in story), None)
    return instant(named) if named is not None else None
