"""What does a query say, and which filter does it spell? Names as in the filter, `not.` in front excludes."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import ValidationError

from services.gateway.stream.ports import EVERYTHING, Problem
from shared.domain.subscription import Filter, Terms

_LISTS: Final = frozenset(Terms.model_fields)
_NOT: Final = "not."
MOST_PARAMETERS: Final = 200
_UNREADABLE: Final = Problem(
    400, "The query is not readable", f"Percent-encoded UTF-8, at most {MOST_PARAMETERS} parameters."
)


def pairs_of(query: bytes) -> tuple[tuple[str, str], ...] | Problem:
    """Return a query's names and values decoded, or a 400."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError:
        return _UNREADABLE
    return tuple(pairs)


def filter_of(query: Iterable[tuple[str, str]], others: Collection[str] = ()) -> Filter | Problem:
    """Return the filter, or a 422 with `errors[]` (`parameter`, `message`) that names what cannot mean anything.

    `others` are the parameters that have another meaning here.
    """
    wanted: dict[str, Any] = defaultdict(list)
    excluded: dict[str, list[str]] = defaultdict(list)
    errors: list[dict[str, str]] = []
    for name, value in query:
        if name in others:
            continue
        if name in _LISTS:
            wanted[name].append(value)
        elif name.removeprefix(_NOT) in _LISTS and name.startswith(_NOT):
            excluded[name.removeprefix(_NOT)].append(value)
        elif name == "urgency_max":
            wanted[name] = value
        else:
            errors.append({"parameter": name, "message": "there is no such parameter"})
    if errors:
        return unprocessable(errors)
    try:
        asked = Filter.model_validate({**wanted, "not": excluded} if excluded else wanted)
    except ValidationError as error:
        return unprocessable(errors_of(error))
    return asked if asked != EVERYTHING else EVERYTHING  # one object for the many who ask for nothing in particular


def errors_of(error: ValidationError) -> list[dict[str, str]]:
    """Say what is wrong where, without the values."""
    return [_in_words(one["loc"], one["msg"]) for one in error.errors(include_url=False)]


def _in_words(loc: tuple[int | str, ...], message: str) -> dict[str, str]:
    names = [str(part) for part in loc if not isinstance(part, int)]
    return {"parameter": ".".join(names), "message": message}


def unprocessable(errors: list[dict[str, str]]) -> Problem:
    """Return the 422 of a query."""
    detail = "; ".join(f"{error['parameter']}: {error['message']}" for error in errors)
    return Problem(422, "The query cannot be understood", detail, more={"errors": errors})
