"""What ninjs 3.1 allows where: the closed table that incoming items are checked against.

Names and types follow the IPTC's ninjs 3.1 JSON Schema (2020-12) and, under `geoJSON`, RFC 7946.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Leaf(Enum):
    """A value without parts."""

    TEXT = auto()
    URI = auto()
    TIME = auto()  # RFC 3339, offset required
    PART_TIME = auto()  # year, or more of a time, down to its offset
    WHOLE = auto()
    NUMBER = auto()
    PERCENT = auto()  # whole, 0 to 100
    URGENCY = auto()  # whole, 1 to 9
    GEO = auto()


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word from a closed list."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array of one kind of value."""

    item: "Shape"


@dataclass(frozen=True, slots=True)
class Object:
    """A closed object: every key is one of `fields`.

    `required` keys must be there; of each group in `exactly_one`, one key and no more; `dated` wants a start or an end,
    of which one at least is given either exactly or as expected, not both.
    """

    fields: "Mapping[str, Shape]"
    required: tuple[str, ...] = ()
    exactly_one: tuple[tuple[str, ...], ...] = ()
    dated: bool = False


Shape = Leaf | OneOf | ListOf | Object

_TEXT, _URI, _TIME, _WHOLE = Leaf.TEXT, Leaf.URI, Leaf.TIME, Leaf.WHOLE

NEWS_TYPES: Final = ("text", "audio", "video", "picture", "graphic", "composite", "component", "event", "planning")
PUB_STATUSES: Final = ("usable", "withheld", "canceled")


def _texts(*names: str) -> dict[str, Shape]:
    return dict.fromkeys(names, _TEXT)


_NAMED: Final[dict[str, Shape]] = {"name": _TEXT, "rel": _TEXT, "uri": _URI, "literal": _TEXT}
_WORDS: Final[dict[str, Shape]] = _texts("role", "contentType", "value")

_ADDRESS: Final = Object({"lines": ListOf(_TEXT), **_texts("locality", "area", "postalCode", "country")})
_CONTACTS: Final = ListOf(
    Object(
        {**_texts("type", "role", "lang", "name", "value"), "address": _ADDRESS}, exactly_one=(("value", "address"),)
    )
)
_SYMBOLS: Final = ListOf(Object({"exchange": _TEXT, "symbolType": _URI, "symbol": _TEXT}))
_ORGANISATION: Final = Object({**_NAMED, "symbols": _SYMBOLS, "contactInfo": _CONTACTS})

_FREQUENCIES: Final = OneOf(("secondly", "minutely", "hourly", "daily", "weekly", "monthly", "yearly"))
_RULE: Final = Object({"frequency": _FREQUENCIES, "interval": _WHOLE, "until": _TIME, "count": _WHOLE})
# The schema gives recurrenceDates two types at once, an array and a string: no value can be both, so none is listed.
_DATES: Final = Object(
    {
        "startDate": _TIME,
        "endDate": _TIME,
        "expectedStartDate": Leaf.PART_TIME,
        "expectedEndDate": Leaf.PART_TIME,
        "expectedDuration": _TEXT,
        "recurrence": Object({"recurrenceRules": ListOf(_RULE)}),
    },
    dated=True,
)
_EVENT_DETAILS: Final = Object(
    {"eventStatus": _URI, "plannedCoverageStatus": _URI, "dates": _DATES, "organiser": _ORGANISATION}
)

_RENDITION: Final = Object(
    {
        **_texts("name", "contentType", "title", "format", "aspectRatio", "videoCodec", "transportProtocol", "bitrate"),
        "href": _URI,
        "width": _WHOLE,
        "height": _WHOLE,
        "sizeInBytes": _WHOLE,
        "duration": Leaf.NUMBER,
        "frameRate": Leaf.NUMBER,
        "poi": Object({"x": _WHOLE, "y": _WHOLE}),
        "scanType": OneOf(("progressive", "interlaced")),
    },
    required=("name",),
)

_COMMISSIONED: Final = Object({"by": _TEXT, "on": _TIME, "references": ListOf(Object(_texts("name", "value")))})
_COVERAGE: Final = Object(
    {
        "uri": _URI,
        **_texts("title", "edNote", "language"),
        "pubStatus": OneOf(PUB_STATUSES),
        "type": OneOf(NEWS_TYPES),
        "commissioned": _COMMISSIONED,
        "dates": _DATES,
        "audiences": ListOf(Object({"audience": _TEXT, "significance": _WHOLE})),
        "exclAudience": ListOf(_TEXT),
        "urgency": Leaf.URGENCY,
        "itemCount": Object({"rangeFrom": _WHOLE, "rangeTo": _WHOLE}),
        "wordCount": _WHOLE,
        "renditions": ListOf(_RENDITION),
    }
)

_ITEM: Final[dict[str, Shape]] = {
    "uri": _URI,
    "type": OneOf(NEWS_TYPES),
    "representationType": OneOf(("full", "partial")),
    **_texts("profile", "version", "copyrightHolder", "copyrightNotice", "usageTerms", "edNote", "language"),
    **_texts("title", "by", "slugline", "located"),
    **dict.fromkeys(("firstCreated", "versionCreated", "contentCreated", "embargoedUntil", "expires"), _TIME),
    "pubStatus": OneOf(PUB_STATUSES),
    "urgency": Leaf.URGENCY,
    "headlines": ListOf(Object(_WORDS, required=("value",))),
    "descriptions": ListOf(Object(_WORDS, required=("value",))),
    "bodies": ListOf(Object({**_WORDS, "charCount": _WHOLE, "wordCount": _WHOLE}, required=("value",))),
    "people": ListOf(Object({**_NAMED, "contactInfo": _CONTACTS})),
    "organisations": ListOf(_ORGANISATION),
    "places": ListOf(Object({**_NAMED, "contactInfo": _CONTACTS, "geoJSON": Leaf.GEO})),
    "subjects": ListOf(Object({**_NAMED, "creator": _TEXT, "relevance": Leaf.PERCENT, "confidence": Leaf.PERCENT})),
    "events": ListOf(Object({**_NAMED, "id": _TEXT})),
    "eventDetails": _EVENT_DETAILS,
    "plannedCoverage": ListOf(_COVERAGE),
    "objects": ListOf(Object(_NAMED)),
    "infoSources": ListOf(
        Object({"name": _TEXT, "role": _TEXT, "uri": _URI, "literal": _TEXT, "contactInfo": _CONTACTS})
    ),
    "renditions": ListOf(_RENDITION),
    "altIds": ListOf(Object(_texts("role", "value"))),
    "trustIndicators": ListOf(Object({"role": _URI, "title": _TEXT, "href": _URI})),
    "standard": Object({"name": _TEXT, "version": _TEXT, "schema": _URI}),
    "genres": ListOf(Object(_texts("name", "uri", "literal"))),
    "rightsInfo": Object(
        {"langId": _URI, "linkedRights": _URI, "encodedRights": _TEXT}, exactly_one=(("linkedRights", "encodedRights"),)
    ),
    "digitalSourceType": Object({"name": _TEXT, "uri": _URI, "literal": _TEXT}),
}
# An association is an item again, so its shape is closed over itself; the mapping is filled once, here.
_ASSOCIATED: Final[dict[str, Shape]] = {**_ITEM, "name": _TEXT, "rel": _TEXT}
_ASSOCIATIONS: Final = ListOf(Object(_ASSOCIATED, required=("name", "uri")))
_ASSOCIATED["associations"] = _ASSOCIATIONS

ITEM: Final = Object({**_ITEM, "associations": _ASSOCIATIONS})
"""The whole item. `uri` is not required here: ingest gives one to an item that came without."""

OLDER_NAMES: Final = {
    "guid": "uri",
    "headline": "headlines",
    "byline": "by",
    "body": "bodies",
    "body_text": "bodies",
    "body_html": "bodies",
    "body_xhtml": "bodies",
    "description_text": "descriptions",
    "description_html": "descriptions",
    "embargoed": "embargoedUntil",
    "embargoUntil": "embargoedUntil",
    "subject": "subjects",
    "person": "people",
    "place": "places",
    "keywords": "subjects",
    "source": "infoSources",
    "priority": "urgency",
}
"""What ninjs 1.x, 2.x and their dialects call a field, and its name in 3.x where spelling alone would not tell."""
