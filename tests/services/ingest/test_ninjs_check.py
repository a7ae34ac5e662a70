"""Our own reading of ninjs 3.1 against the official schema, over invented items."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.ninjs_check import problems
from services.ingest.ninjs_shape import ITEM, Leaf, ListOf, Object, OneOf, Shape
from tests.services.ingest.judges import verdicts

_ODD = st.sampled_from(
    [
        None,
        True,
        0,
        9,
        10,
        101,
        -1,
        2.5,
        "",
        "x",
        [],
        {},
        ["x"],
        {"value": "x"},
        {"nope": 1},
        "2026-11-23",
        "urn:a:b",
        "2026-11-23T12:00:00Z",
        "2026-11-23T12:00:00",
        "https://example.org/a?b#c",
        "a b:c",
        "http://[::1]/",
        "//a",
    ]
)
_GEO = st.sampled_from(
    [
        {"type": "Point", "coordinates": [1, 2.5]},
        {"type": "Point", "coordinates": [1]},
        {"type": "LineString", "coordinates": [[1, 2]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]], "bbox": [0, 0, 1, 1]},
        {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1]]]]},
        {"type": "Feature", "properties": None, "geometry": {"type": "Point", "coordinates": [1, 2]}, "id": 7},
        {"type": "Feature", "geometry": None},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": None}]},
        {"type": "GeometryCollection", "geometries": [{"type": "MultiPoint", "coordinates": [[1, 2]]}]},
        {"type": "Circle", "coordinates": [1, 2], "bbox": [1, 2, 3]},
    ]
)
_LEAVES: dict[Leaf, st.SearchStrategy[Any]] = {
    Leaf.TEXT: st.sampled_from(["", "words"]),
    Leaf.URI: st.sampled_from(["urn:example:1", "https://example.org/a", "tag:example.org,2026:b"]),
    Leaf.TIME: st.sampled_from(["2026-11-23T12:00:00Z", "2026-11-23T12:00:00.123456789+05:30"]),
    Leaf.PART_TIME: st.sampled_from(["2026", "2026-11", "2026-11-23", "2026-11-23T12:00:00"]),
    Leaf.WHOLE: st.integers(-5, 5),
    Leaf.NUMBER: st.sampled_from([1, 2.5]),
    Leaf.PERCENT: st.integers(0, 100),
    Leaf.URGENCY: st.integers(1, 9),
    Leaf.GEO: _GEO,
}


def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Mostly values of that shape, now and then an odd one."""
    right = _right(shape, depth)
    return st.one_of(right, right, right, right, _ODD)


def _right(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    match shape:
        case Leaf():
            return _LEAVES[shape]
        case OneOf(words):
            return st.sampled_from(words)
        case ListOf(inner):
            return st.lists(values(inner, depth + 1), max_size=2) if depth < 6 else st.just([])
        case Object():
            return st.deferred(lambda: _objects(shape, depth))


def _objects(shape: Object, depth: int) -> st.SearchStrategy[Any]:
    names = sorted(shape.fields)
    chosen = st.lists(st.sampled_from(names), max_size=4, unique=True)
    return chosen.flatmap(
        lambda keys: st.fixed_dictionaries(
            {key: values(shape.fields[key], depth + 1) for key in (*keys, *shape.required)}
        )
    )


@given(item=_objects(ITEM, 0))
def test_what_we_take_the_schema_takes(item: dict[str, Any]) -> None:
    """An item without problems is valid for both outside judges: nothing invalid is ever passed on."""
    if not problems(item):
        assert verdicts({"uri": "urn:example:1", **item}) == (True, True)


@given(item=_objects(ITEM, 0))
def test_what_the_schema_takes_we_take(item: dict[str, Any]) -> None:
    """No valid item is refused: what the source gave and ninjs can hold is never turned away."""
    if verdicts({"uri": "urn:example:1", **item}) == (True, True):
        assert problems(item) == ()
