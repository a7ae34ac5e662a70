"""Is a value a GeoJSON object (RFC 7946), and if not, why?"""

import math
from typing import Any, Final

from services.ingest.cleaning import forbidden_character

MAX_EXACT: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 8259, 6)."""

_MAX_DEPTH: Final = 40
# How deep the arrays around a position go, and how many positions the innermost array holds at least.
_COORDINATES: Final = {
    "Point": (0, 0),
    "MultiPoint": (1, 0),
    "LineString": (1, 2),
    "MultiLineString": (2, 2),
    "Polygon": (2, 4),
    "MultiPolygon": (3, 4),
}


def geojson_problem(value: Any) -> str | None:
    """What keeps `value` from being GeoJSON, in words; None if nothing does."""
    if not isinstance(value, dict):
        return "must be a GeoJSON object"
    if not _is_plain(value):
        return "holds a control character, a number too large or too much nesting; remove it"
    if not _is_object(value):
        return "must be a GeoJSON object as in RFC 7946, with its type and its coordinates, geometries or features"
    return None


def _is_object(value: dict[str, Any]) -> bool:
    match value.get("type"):
        case "FeatureCollection":
            features = value.get("features")
            return _has_box(value) and isinstance(features, list) and all(map(_is_feature, features))
        case "Feature":
            return _is_feature(value)
        case _:
            return _is_geometry(value)


def _is_feature(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type") != "Feature" or not {"properties", "geometry"} <= value.keys():
        return False
    named = "id" not in value or (isinstance(value["id"], str | int | float) and not isinstance(value["id"], bool))
    described = value["properties"] is None or isinstance(value["properties"], dict)
    return named and described and _has_box(value) and (value["geometry"] is None or _is_geometry(value["geometry"]))


def _is_geometry(value: Any, inside_collection: bool = False) -> bool:
    if not isinstance(value, dict) or not _has_box(value):
        return False
    kind = value.get("type")
    if kind == "GeometryCollection":
        parts = value.get("geometries")
        return not inside_collection and isinstance(parts, list) and all(_is_geometry(part, True) for part in parts)
    if not isinstance(kind, str) or kind not in _COORDINATES:
        return False
    depth, least = _COORDINATES[kind]
    return _are_positions(value.get("coordinates"), depth, least)


def _are_positions(value: Any, depth: int, least: int) -> bool:
    if not isinstance(value, list):
        return False
    if depth == 0:
        return len(value) >= 2 and all(map(_is_number, value))
    return (depth > 1 or len(value) >= least) and all(_are_positions(part, depth - 1, least) for part in value)


def _has_box(value: dict[str, Any]) -> bool:
    box = value.get("bbox", [0, 0, 0, 0])
    return isinstance(box, list) and len(box) >= 4 and all(map(_is_number, box))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(value: Any) -> bool:
    """Whether all of `value` may stand in a story: text, numbers and depth, keys and foreign members included."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > _MAX_DEPTH or not _is_plain_leaf(part):
            return False
        if isinstance(part, dict):
            waiting.extend((inner, depth + 1) for pair in part.items() for inner in pair)
        elif isinstance(part, list):
            waiting.extend((inner, depth + 1) for inner in part)
    return True


def _is_plain_leaf(part: Any) -> bool:
    match part:
        case str():
            return forbidden_character(part) is None
        case float():
            return math.isfinite(part)
        case int():
            return abs(part) <= MAX_EXACT
        case _:
            return True
