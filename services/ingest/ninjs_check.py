"""Is a JSON value a valid ninjs 3.1 item, and if not, where and why?"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv6Address
from itertools import islice
from typing import Any, Final

from services.ingest.cleaning import forbidden_character
from services.ingest.geojson_check import MAX_EXACT, geojson_problem
from services.ingest.ninjs_shape import ITEM, OLDER_NAMES, Leaf, ListOf, Object, OneOf, Shape
from services.ingest.parsed import FieldError

_MAX_ERRORS: Final = 50
_MAX_DEPTH: Final = 40  # associations in associations; real items go three deep

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.A)
_PART_TIME: Final = re.compile(
    r"-?(?:[1-9]\d*)?\d{4}(?:-(?:1[0-2]|0[1-9])(?:-(?:3[01]|0[1-9]|[12]\d)(?:T(?:2[0-3]|[01]\d):[0-5]\d:[0-5]\d(?:\.\d+)?"
    r"(?:Z|[+-](?:2[0-3]|[01]\d):[0-5]\d)?)?)?)?",
    re.A,
)
_PCHARS: Final = r"(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-f]{2})"
_URI: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*):"
    r"(?://(?:(?:[\w.~!$&'()*+,;=:-]|%[0-9a-f]{2})*@)?(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)"
    rf"(?::[0-9]*)?(?:/{_PCHARS}*)*|/?(?!/){_PCHARS}(?:/|{_PCHARS})*|/?)"
    rf"(?:\?(?:{_PCHARS}|[/?])*)?(?:#(?:{_PCHARS}|[/?])*)?",
    re.I | re.A,
)
_ACTIVE_SCHEMES: Final = frozenset(("javascript", "vbscript", "data"))


def problems(item: dict[str, Any]) -> tuple[FieldError, ...]:
    """Everything wrong with `item`, in document order, at most 50 entries; empty if it is a valid ninjs 3.1 item.

    A missing `uri` is no problem here. Stricter than the schema in what would hurt readers: characters no story may
    hold, and links that run code.
    """
    return tuple(islice(_any(item, ITEM, ""), _MAX_ERRORS))


def instant(text: str) -> datetime | None:
    """`text` as aware UTC if it is an RFC 3339 date-time with an offset; digits below the microsecond are cut."""
    found = _TIME.fullmatch(text)
    if not found or not found["offset"]:
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_uri(text: str) -> bool:
    """Whether `text` may stand where ninjs wants a URI."""
    return _uri(text) is None


def _any(value: Any, shape: Shape, pointer: str) -> Iterator[FieldError]:
    match shape:
        case Leaf():
            if said := _LEAVES[shape](value):
                yield FieldError(pointer, None, said)
        case OneOf(words):
            if value not in words:
                yield FieldError(pointer, None, f"must be one of {', '.join(words)}")
        case ListOf(item) if isinstance(value, list):
            for index, entry in enumerate(value):
                yield from _any(entry, item, f"{pointer}/{index}")
        case Object() if isinstance(value, dict):
            yield from _object(value, shape, pointer)
        case ListOf():
            yield FieldError(pointer, None, f"must be an array, not {_kind(value)}")
        case Object():
            yield FieldError(pointer, None, f"must be an object, not {_kind(value)}")


def _object(value: dict[str, Any], shape: Object, pointer: str) -> Iterator[FieldError]:
    if pointer.count("/") > _MAX_DEPTH:
        yield FieldError(pointer, None, "is nested too deeply; file associated items on their own")
        return
    for key, part in value.items():
        below = f"{pointer}/{_escaped(key)}"
        if key in shape.fields:
            yield from _any(part, shape.fields[key], below)
        else:
            yield FieldError(below, None, _unknown(key, shape))
    for key in shape.required:
        if key not in value:
            yield FieldError(pointer, None, f"{key} is missing; ninjs 3.1 requires it here")
    for group in shape.exactly_one:
        if sum(key in value for key in group) != 1:
            yield FieldError(pointer, None, f"must hold exactly one of {' and '.join(group)}")
    if shape.dated and not (_one(value, "startDate", "expectedStartDate") or _one(value, "endDate", "expectedEndDate")):
        yield FieldError(pointer, None, "must hold a start or an end, either exact or expected")


def _one(value: dict[str, Any], exact: str, expected: str) -> bool:
    return (exact in value) != (expected in value)


def _unknown(key: str, shape: Object) -> str:
    shown = key[:60]
    if older := OLDER_NAMES.get(key):
        return f"unknown field {shown!r}; ninjs 3.1 has {older!r}"
    by_lower = {name.lower(): name for name in shape.fields}
    near = get_close_matches(shown.lower(), by_lower, n=1, cutoff=0.7)
    hint = f"did you mean {by_lower[near[0]]!r}?" if near else "ninjs 3.1 takes no fields of one's own; leave it out"
    return f"unknown field {shown!r}; {hint}"


def _escaped(key: str) -> str:
    return key[:200].replace("~", "~0").replace("/", "~1")


def _kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "true or false", str: "a string", list: "an array", dict: "an object"}
    return kinds.get(type(value), "a number")


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        quoted = "; put it in quotes" if isinstance(value, int | float) and not isinstance(value, bool) else ""
        return f"must be a string, not {_kind(value)}{quoted}"
    if found := forbidden_character(value):
        return f"holds the control character {found[1]} at character {found[0]}; remove it"
    return None


def _uri(value: Any) -> str | None:
    if said := _text(value):
        return said
    found = _URI.fullmatch(value)
    if not found or not _is_ipv6(found["ipv6"]):
        return "must be an absolute URI of ASCII characters, such as urn:example:item-1 or https://example.org/item-1"
    if found["scheme"].lower() in _ACTIVE_SCHEMES:
        return f"{found['scheme'].lower()}: links are not taken; give an address"
    return None


def _is_ipv6(host: str | None) -> bool:
    try:
        return host is None or IPv6Address(host) is not None
    except AddressValueError:
        return False


def _time(value: Any) -> str | None:
    if said := _text(value):
        return said
    found = _TIME.fullmatch(value)
    if found and not found["offset"]:
        return "has no offset from UTC; end it with Z or with an offset such as +02:00"
    if not found or instant(value) is None:
        return "must be a real RFC 3339 time, such as 2026-11-23T12:00:00Z"
    return None


def _part_time(value: Any) -> str | None:
    if said := _text(value):
        return said
    return None if _PART_TIME.fullmatch(value) else "must be a date or the first part of one, such as 2026-11"


def _whole(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"must be a whole number, not {_kind(value) if not isinstance(value, float) else value}"
    return None if abs(value) <= MAX_EXACT else "is too large a number to be read everywhere"


def _number(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return "must be a finite number"
    return None if isinstance(value, float) else _whole(value)


def _percent(value: Any) -> str | None:
    return _whole(value) or (None if 0 <= value <= 100 else "must be from 0 to 100")


def _urgency(value: Any) -> str | None:
    return _whole(value) or (None if 1 <= value <= 9 else "must be from 1 (flash) to 8 (lowest)")


_LEAVES: Final = {
    Leaf.TEXT: _text,
    Leaf.URI: _uri,
    Leaf.TIME: _time,
    Leaf.PART_TIME: _part_time,
    Leaf.WHOLE: _whole,
    Leaf.NUMBER: _number,
    Leaf.PERCENT: _percent,
    Leaf.URGENCY: _urgency,
    Leaf.GEO: geojson_problem,
}
