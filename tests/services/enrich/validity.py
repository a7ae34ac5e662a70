"""Is an object strictly valid ninjs 3.1, in the opinion of two validators that check formats?"""

import json
from dataclasses import dataclass
from typing import Any, Self

import jsonschema
import jsonschema_rs
from referencing import Registry, Resource

from tests.material import material

_GEOJSON_URI = "https://geojson.org/schema/GeoJSON.json"


@dataclass(frozen=True, slots=True)
class NinjsValidity:
    """The official schema, with the GeoJSON schema beside it, as each of the two libraries compiles it."""

    python: Any
    rust: Any

    @classmethod
    def load(cls) -> Self:
        schemas = material("data", "ninjs", "schema")
        ninjs = json.loads((schemas / "ninjs-schema_3.1.json").read_text())
        geojson = json.loads((schemas / "GeoJSON-schema.json").read_text())
        registry: Any = Registry().with_resource(_GEOJSON_URI, Resource.from_contents(geojson))
        formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
        return cls(
            jsonschema.Draft202012Validator(ninjs, registry=registry, format_checker=formats),
            jsonschema_rs.Draft202012Validator(
                ninjs, registry=jsonschema_rs.Registry([(_GEOJSON_URI, geojson)]), validate_formats=True
            ),
        )

    def faults(self, story: dict[str, Any]) -> list[str]:
        """List what either validator finds wrong; empty for a valid item."""
        found = (*self.python.iter_errors(story), *self.rust.iter_errors(story))
        return [error.message for error in found]
