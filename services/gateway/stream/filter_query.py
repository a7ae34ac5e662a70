"""Which filter do these query parameters spell? Names as in the filter, repeatable, `not.` in front excludes."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.stream.ports import EVERYTHING, Problem
from shared.domain.subscription import Filter, Terms

_LISTS: Final = frozenset(Terms.model_fields)
_NOT: Final = "not."


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
