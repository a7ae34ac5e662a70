"""Does a filter want a release? Read from the text of the filter, clause by clause, by nothing of the product's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Told:
    """What the driver knows of something it filed; `words` in lower case."""

    source: str
    urgency: int
    lane: str
    language: str
    words: frozenset[str]


def words_of(*texts: str) -> frozenset[str]:
    return frozenset(_WORD.findall(" ".join(texts).lower()))


def wants(wanted: Mapping[str, Any], told: Told) -> bool:
    """Any of within a field, all of across fields, `not` excludes; an empty filter matches all.

    Raises ValueError for a clause that the driver cannot judge: such a filter proves nothing here.
    """
    for field, terms in wanted.items():
        if field == "not":
            if any(_any_of(name, values, told) for name, values in terms.items() if values):
                return False
        elif field == "urgency_max":
            if told.urgency > terms:
                return False
        elif terms and not _any_of(field, terms, told):
            return False
    return True


def _any_of(field: str, terms: Sequence[str], told: Told) -> bool:
    match field:
        case "sources":
            return told.source in terms
        case "lanes":
            return told.lane in terms
        case "languages":
            return told.language in terms
        case "keywords":
            return any(term.lower() in told.words for term in terms)
    raise ValueError(f"the driver cannot judge {field!r}")
