"""How bytes become one JSON object, with nothing guessed: no second key of one name, no NaN, no unlimited number."""

import json
from collections import Counter
from typing import Any, Final, NoReturn

from services.ingest.parsed import FieldError, Unparsable

NESTED_TOO_DEEPLY: Final = "the JSON is nested too deeply to be a news item"

_BOM: Final = b"\xef\xbb\xbf"


def decoded(body: bytes) -> str:
    """`body` as strict UTF-8, a byte order mark taken off.

    Raises Unparsable naming the line of the first bad byte, or saying that there is nothing.
    """
    if not body.strip():
        raise Unparsable(FieldError(None, None, "the body is empty; send the story in it"))
    try:
        return body.removeprefix(_BOM).decode()
    except UnicodeDecodeError as wrong:
        at = wrong.start
        line = wrong.object[:at].count(b"\n") + 1
        said = f"byte {wrong.object[at]:#04x} on line {line} is not UTF-8; convert the text to UTF-8 and send it again"
        raise Unparsable(FieldError(None, line, said)) from None


def json_object(body: bytes) -> dict[str, Any]:
    """The one JSON object in `body`; raises Unparsable with the line where reading stopped."""
    text = decoded(body)
    try:
        value = json.loads(text, object_pairs_hook=_without_twins, parse_int=_whole, parse_constant=_no_constant)
    except json.JSONDecodeError as wrong:
        said = f"not JSON: {wrong.msg[:80]} at line {wrong.lineno}, column {wrong.colno}"
        raise Unparsable(FieldError(None, wrong.lineno, said)) from None
    except RecursionError:
        raise Unparsable(FieldError(None, None, NESTED_TOO_DEEPLY)) from None
    except ValueError as wrong:  # a twin, a constant or an endless number
        raise Unparsable(FieldError(None, None, f"not usable JSON: {wrong}")) from None
    if isinstance(value, list):
        raise Unparsable(FieldError("", None, "this is an array; file its items one by one, each as an object"))
    if not isinstance(value, dict):
        raise Unparsable(FieldError("", None, "a ninjs item is a JSON object; this is another kind of value"))
    return value


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may pick different ones of two equal keys: what the desk checked would not be what goes out."""
    value = dict(pairs)
    if len(value) != len(pairs):
        twin = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twin[:60]!r} stands twice in one object; keep one")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number; give a finite one")


def _whole(digits: str) -> int:
    if len(digits) > 400:
        raise ValueError("a number has more than 400 digits; give a shorter one")
    return int(digits)
