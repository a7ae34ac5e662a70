"""Which countries and cities is a story about, given that most names are shared?

Names come from the gazetteer; the story decides what they mean: the countries it names, its dateline and its section
support their own cities, and a name that is also a word or a person's needs such support.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from services.enrich.dateline import Dateline
from services.enrich.gazetteer import Gazetteer, Hit, Kind, Meaning, Place
from services.enrich.words import begins_word, ends_word

# Places a list of which still says something; a roundup of a hundred countries is about none of them.
_MOST_COUNTRIES = 20
_MOST_CITIES = 20
_MOST_HITS = 5_000
_READ_CHARS = 262_144
# A city this large is meant by its bare name; smaller ones need support.
_STANDS_ALONE = 1_000_000
_SUPPORT = {Kind.COUNTRY: 1.0, Kind.REGION: 1.0, Kind.CITY: 1.0, Kind.DEMONYM: 0.5}
_AMBIGUOUS_NEEDS = 2.0
_SECTION_SUPPORT = 0.5
_DATELINE_SUPPORT = 2.0
# Support is worth at most a factor of 16 in population: Canada named once does not make London Canadian.
_MOST_SUPPORT = 1.2
_QUALIFIED = 4.0
_QUALIFIER = re.compile(r"\s*,\s*|\s*\(|\sin\s|，|、|،\s*")
_WORD = re.compile(r"[^\W\d_]+")
_GEONAMES_URI = re.compile(r"^https?://(?:sws\.|www\.)?geonames\.org/(\d+)\b|^geonames:(\d+)$")


@dataclass(frozen=True, slots=True)
class PlacesFound:
    """`entries` are ninjs 3.1 places, most named first; `codes` are ISO 3166 alpha-2 codes and `geonames:<id>`."""

    entries: tuple[dict[str, Any], ...] = ()
    codes: tuple[str, ...] = ()

    @property
    def main_country(self) -> str | None:
        """The country named most, as an ISO 3166 alpha-2 code."""
        return next((code for code in self.codes if ":" not in code), None)


def find_places(
    text: str, gazetteer: Gazetteer, *, dateline: Dateline | None = None, section_country: str | None = None
) -> PlacesFound:
    """Give the places that `text` is about; the first 256 Ki characters count."""
    text = text[:_READ_CHARS]
    hits = list(_hits(text, gazetteer))
    support = _support(hits, dateline, section_country)
    meant = _all_meant(text, hits, support, gazetteer)
    if dateline is not None:
        meant.insert(0, Meaning(Kind.REGION if dateline.place.point is None else Kind.CITY, dateline.place))
    weight: defaultdict[str, float] = defaultdict(float)
    for meaning in meant:
        weight[meaning.place.country] += _SUPPORT[meaning.kind]
    cities = Counter(meaning.place for meaning in meant if meaning.kind is Kind.CITY)
    named = sorted((code for code, total in weight.items() if total >= 1), key=lambda code: -weight[code])
    countries = [gazetteer.countries[code] for code in named if code in gazetteer.countries]
    return _described(countries[:_MOST_COUNTRIES], [city for city, _ in cities.most_common(_MOST_CITIES)])


def filed_codes(places: Iterable[dict[str, Any]], gazetteer: Gazetteer) -> tuple[str, ...]:
    """Give the codes of the places a source filed itself, by their GeoNames uri, ISO code or country's name."""
    codes: dict[str, None] = {}
    for entry in places:
        for known in (entry.get("uri", ""), entry.get("literal", "")):
            found = _GEONAMES_URI.match(known)
            if found is not None:
                codes[f"geonames:{found[1] or found[2]}"] = None
            elif known.upper() in gazetteer.countries:
                codes[known.upper()] = None
        meanings = gazetteer.named(entry.get("name", ""))
        countries = [meaning.place.country for meaning in meanings if meaning.kind is Kind.COUNTRY]
        codes.update(dict.fromkeys(countries))
    return tuple(codes)


def merged(filed: list[dict[str, Any]], found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give a source's own places, then those found that it did not file under the same uri or name."""
    known = {entry.get("uri") for entry in filed} | {entry.get("name", "").casefold() for entry in filed}
    return [*filed, *(e for e in found if e["uri"] not in known and e["name"].casefold() not in known)]


def _hits(text: str, gazetteer: Gazetteer) -> Iterator[Hit]:
    """Give names at word boundaries, from left to right, the longest where several begin or overlap."""
    candidates: list[Hit] = []
    for last, (length, name, meanings) in gazetteer.automaton.iter(text):
        start, end = last - length + 1, last + 1
        plural = meanings[0].kind in {Kind.COUNTRY, Kind.DEMONYM}
        if begins_word(text, start) and ends_word(text, end, plural=plural):
            candidates.append(Hit(start, end, name, meanings))
            if len(candidates) >= _MOST_HITS:
                break
    covered = 0
    for hit in sorted(candidates, key=lambda hit: (hit.start, -hit.end)):
        if hit.start >= covered:
            covered = hit.end
            if not _is_person(text, hit.start, gazetteer.personal):
                yield hit


def _is_person(text: str, start: int, personal: frozenset[str]) -> bool:
    """Say whether a title or given name stands before: Denzel Washington, Mrs Jordan."""
    before = text[max(0, start - 16) : start].rstrip(" ").rsplit(" ", 1)[-1]
    return text[start - 1 : start] == " " and before.strip("(“\"'‘").rstrip(".") in personal


def _support(hits: list[Hit], dateline: Dateline | None, section_country: str | None) -> Mapping[str, float]:
    """Count how strongly the story speaks of each country before any city is read."""
    support: defaultdict[str, float] = defaultdict(float)
    for hit in hits:
        for meaning in _distinct_countries(hit.meanings):
            support[meaning.place.country] += _SUPPORT[meaning.kind]
    if dateline is not None:
        support[dateline.place.country] += _DATELINE_SUPPORT
    if section_country is not None:
        support[section_country] += _SECTION_SUPPORT
    return support


def _distinct_countries(meanings: tuple[Meaning, ...]) -> list[Meaning]:
    """Give the countries a name surely means; Georgia, a country and a state, supports neither."""
    countries = [meaning for meaning in meanings if meaning.kind is not Kind.CITY]
    return countries if len({meaning.place.country for meaning in countries}) == 1 else []


def _all_meant(text: str, hits: list[Hit], support: Mapping[str, float], gazetteer: Gazetteer) -> list[Meaning]:
    """Choose a meaning for every name that has one here; a city's qualifier means the country it qualifies for."""
    lower = frozenset(_WORD.findall(text))
    meant: list[Meaning] = []
    qualified: Place | None = None
    for hit, following in zip_longest(hits, hits[1:]):
        qualifier = following if following is not None and _qualifies(text, hit, following) else None
        meaning = _meant(hit, support, qualifier, gazetteer)
        if qualified is not None:
            meaning = next((other for other in hit.meanings if _says_where(other, qualified)), meaning)
        qualified = None
        if meaning is None or (meaning.kind is Kind.CITY and _is_written_small(hit.name, lower)):
            continue  # a word that the same story also writes without a capital is no place
        meant.append(meaning)
        if qualifier is not None and meaning.kind is Kind.CITY and _confirms(qualifier, meaning.place):
            qualified = meaning.place
    return meant


def _is_written_small(name: str, lower: frozenset[str]) -> bool:
    return name != name.lower() and name.lower() in lower


def _qualifies(text: str, hit: Hit, following: Hit) -> bool:
    """Say whether the next name follows after a comma, in brackets or after in: Paris, Texas."""
    return following.start - hit.end <= 4 and _QUALIFIER.fullmatch(text[hit.end : following.start]) is not None


def _meant(hit: Hit, support: Mapping[str, float], qualifier: Hit | None, gazetteer: Gazetteer) -> Meaning | None:
    """Choose what a name means here, or None where nothing shows that it is a place at all."""
    countries = [meaning for meaning in hit.meanings if meaning.kind is not Kind.CITY]
    cities = [meaning for meaning in hit.meanings if meaning.kind is Kind.CITY]
    best = max(cities, key=lambda m: (_score(m, support, qualifier), m.place.geonames or 0), default=None)
    if best is not None and qualifier is not None and _confirms(qualifier, best.place):
        return best
    if countries:
        return max(
            countries,
            key=lambda m: (support.get(m.place.country, 0), m.kind is Kind.COUNTRY, m.place.country),
        )
    if best is None or not _is_supported(best, hit.name, support, gazetteer):
        return None
    return best


def _score(meaning: Meaning, support: Mapping[str, float], qualifier: Hit | None) -> float:
    place = meaning.place
    score = math.log10(max(place.population, 1)) + min(_MOST_SUPPORT, 0.6 * support.get(place.country, 0))
    if qualifier is not None and _confirms(qualifier, place):
        score += _QUALIFIED
    return score + (0.5 if place.capital else 0) - (0 if meaning.plain else 0.5)


def _confirms(qualifier: Hit, place: Place) -> bool:
    return any(_says_where(meaning, place) for meaning in qualifier.meanings)


def _says_where(meaning: Meaning, place: Place) -> bool:
    """Say whether a country or region is the one that `place` lies in."""
    if meaning.place.country != place.country:
        return False
    return meaning.kind is Kind.COUNTRY or (meaning.kind is Kind.REGION and meaning.place.region in {"", place.region})


def _is_supported(meaning: Meaning, name: str, support: Mapping[str, float], gazetteer: Gazetteer) -> bool:
    place = meaning.place
    if name in gazetteer.ambiguous:
        return support.get(place.country, 0) >= _AMBIGUOUS_NEEDS
    return support.get(place.country, 0) >= 1 or place.population >= _STANDS_ALONE or place.capital


def _described(countries: list[Place], cities: list[Place]) -> PlacesFound:
    entries = [_entry(place, place.country) for place in countries]
    entries += [_entry(city, f"geonames:{city.geonames}") for city in cities]
    codes = (
        *(place.country for place in countries),
        *(f"geonames:{place.geonames}" for place in (*countries, *cities)),
    )
    return PlacesFound(tuple(entries), codes)


def _entry(place: Place, literal: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": place.name,
        "uri": f"https://sws.geonames.org/{place.geonames}/",
        "literal": literal,
    }
    if place.point is not None:
        entry["geoJSON"] = {"type": "Point", "coordinates": list(place.point)}
    return entry
