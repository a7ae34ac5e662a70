"""Do two outside validators agree that a story is valid ninjs 3.1, formats checked?"""

import json
from functools import cache
from typing import Any

import jsonschema
import jsonschema_rs
from referencing import Registry, Resource

from tests.material import material

_GEOJSON = "https://geojson.org/schema/GeoJSON.json"


@cache
def _validators() -> tuple[jsonschema.Draft202012Validator, jsonschema_rs.Draft202012Validator]:
    schemas = material("data", "ninjs", "schema")
    ninjs = json.loads((schemas / "ninjs-schema_3.1.json").read_text())
    geojson = json.loads((schemas / "GeoJSON-schema.json").read_text())
    registry: Registry[Any] = Registry().with_resource(_GEOJSON, Resource.from_contents(geojson))
    return (
        jsonschema.Draft202012Validator(
            ninjs, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        ),
        jsonschema_rs.Draft202012Validator(
            ninjs, registry=jsonschema_rs.Registry([(_GEOJSON, geojson)]), validate_formats=True
        ),
    )


def verdicts(story: dict[str, Any]) -> tuple[bool, bool]:
    """What jsonschema and jsonschema-rs say of `story`; skips where the schema is absent."""
    python, rust = _validators()
    return python.is_valid(story), rust.is_valid(story)


def assert_valid(story: dict[str, Any]) -> None:
    """Fail unless both judges take `story`, given a `uri` if it has none yet."""
    whole = {"uri": "urn:example:story-1", **story}
    python, _ = _validators()
    assert [f"{error.json_path}: {error.message}" for error in python.iter_errors(whole)] == []
    assert verdicts(whole) == (True, True)
