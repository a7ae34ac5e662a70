"""Is this a correction that can be merged? A note, the fields it names, and a ninjs fragment that holds only those."""

from collections.abc import Mapping
from typing import Any

from services.ingest.json_reading import json_object
from services.ingest.ninjs_check import problems
from services.ingest.parsed import FieldError, Unparsable
from shared.domain.events import Correction

WHOLE = {"uri": "urn:slugline:fragment", "type": "text"}
NOT_CORRECTABLE = frozenset({"uri", "version", "type", "pubStatus", "standard", "versionCreated"})


def parse(body: bytes) -> tuple[Correction, dict[str, Any]]:
    """Return what a correction names and the ninjs fields it brings.

    Raises `Unparsable` with a pointer for each thing that is missing or wrong.
    """
    given = json_object(body)
    note, fields, story = given.get("note"), given.get("fields"), given.get("story")
    errors = [*_note_errors(note), *_field_errors(fields), *_story_errors(story)]
    errors += [
        FieldError(f"/{key}", None, "unknown; a correction has note, fields and story") for key in _unknown(given)
    ]
    if errors:
        raise Unparsable(*errors)
    assert isinstance(story, dict)
    assert isinstance(fields, list)
    kept = {key: value for key, value in story.items() if key not in NOT_CORRECTABLE}
    return Correction(note=str(note), fields=tuple(fields)), kept


def _unknown(given: Mapping[str, Any]) -> list[str]:
    return sorted(set(given) - {"note", "fields", "story"})


def _note_errors(note: object) -> list[FieldError]:
    if isinstance(note, str) and note.strip():
        return []
    return [FieldError("/note", None, "say in words what was wrong")]


def _field_errors(fields: object) -> list[FieldError]:
    if not isinstance(fields, list) or not fields:
        return [FieldError("/fields", None, 'name what may change, as JSON pointers: ["/headlines/0/value"]')]
    return [
        FieldError(f"/fields/{number}", None, "a JSON pointer begins with / and names a field of the story")
        for number, field in enumerate(fields)
        if not isinstance(field, str) or not field.startswith("/") or field.split("/")[1] in NOT_CORRECTABLE
    ]


def _story_errors(story: object) -> list[FieldError]:
    if not isinstance(story, dict) or not story:
        return [FieldError("/story", None, "give the corrected fields as a ninjs object")]
    wrong = problems({**WHOLE, **story})
    return [FieldError(f"/story{each.pointer or ''}", None, each.message) for each in wrong]
