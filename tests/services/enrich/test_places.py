"""Places are found where a story means them, in many scripts, and not where a word only looks like one."""

import pytest

from services.enrich.dateline import read_dateline
from services.enrich.gazetteer import Gazetteer
from services.enrich.places import filed_codes, find_places, merged
from services.enrich.words import begins_word, ends_word
from tests.services.enrich.samples import IN_LANGUAGES

KABUL, PARIS, PARIS_TEXAS = "geonames:1138958", "geonames:2988507", "geonames:4717560"


def codes(text: str, gazetteer: Gazetteer) -> set[str]:
    """Give the codes of a text that has no dateline and no section."""
    return set(find_places(text, gazetteer).codes)


@pytest.mark.parametrize(("language", "text"), IN_LANGUAGES.items())
def test_countries_are_found_in_every_language(gazetteer: Gazetteer, language: str, text: str) -> None:
    """The story at the border names Tajikistan and Russia in whatever language it is told."""
    assert {"TJ", "RU"} <= codes(text, gazetteer), language


@pytest.mark.parametrize(
    "text",
    [
        "French fries with a Greek salad.",
        "Denzel Washington and Michael Jordan met Mrs Georgia Smith.",
        "Most of the reading was nice. Most people like Reading.",
        "He was frank. Victoria smiled, Houston agreed and Lincoln laughed.",
        "Parisian fashion and a Londoner’s view.",
        "Police at the University met at the Airport.",
    ],
)
def test_words_that_only_look_like_places_are_none(gazetteer: Gazetteer, text: str) -> None:
    """Food, persons and common words must not fill a subscriber's country filter."""
    assert codes(text, gazetteer) == set()


def test_a_nationality_named_twice_speaks_of_its_country(gazetteer: Gazetteer) -> None:
    """One demonym may be a recipe; two are a subject."""
    assert codes("The Tajik government sent Tajik forces.", gazetteer) >= {"TJ"}


def test_a_bare_name_means_its_largest_city(gazetteer: Gazetteer) -> None:
    """Paris without more is in France."""
    assert codes("The talks in Paris ended.", gazetteer) == {"FR", "geonames:3017382", PARIS}


def test_a_qualifier_decides_between_cities_of_one_name(gazetteer: Gazetteer) -> None:
    """The region that follows says which one is meant."""
    found = codes("A fire in Paris, Texas, was put out.", gazetteer)
    assert PARIS_TEXAS in found
    assert "US" in found
    assert not {"FR", PARIS} & found


def test_a_country_named_often_does_not_move_a_capital(gazetteer: Gazetteer) -> None:
    """The Canadian minister in London is in London, England."""
    assert "GB" in codes("Canada’s minister told London that Canada, only Canada and all of Canada agrees.", gazetteer)


def test_a_small_city_needs_its_country(gazetteer: Gazetteer) -> None:
    """Cork is a city where the story speaks of Ireland, and a stopper elsewhere."""
    assert codes("Cork prices rose.", gazetteer) == set()
    assert "geonames:2965140" in codes("Ireland mourned. In Ireland they went to Cork.", gazetteer)


def test_a_capital_stands_for_itself(gazetteer: Gazetteer) -> None:
    """The talks are in Tallinn, whether or not the copy says where that is."""
    assert "EE" in codes("The talks in Tallinn ended.", gazetteer)


def test_a_name_that_is_both_state_and_country_goes_by_what_else_is_named(gazetteer: Gazetteer) -> None:
    """Georgia with Atlanta is a state, with Tbilisi a country."""
    assert "GE" not in codes("Voters in Atlanta, Georgia, and U.S. officials", gazetteer)
    assert "GE" in codes("Protesters in Tbilisi want Georgia to join.", gazetteer)


def test_a_name_also_written_small_is_a_word(gazetteer: Gazetteer) -> None:
    """What a story itself writes without a capital is no place in it."""
    assert "geonames:2965140" not in codes("Cork, cork and Ireland: a cork from Ireland.", gazetteer)


def test_the_dateline_supports_its_country(gazetteer: Gazetteer) -> None:
    """The place of filing counts, and decides what small names nearby mean."""
    text = "SRINAGAR, July 6 (Agency) - Shops in Bijbehara were shut."
    found = find_places(text, gazetteer, dateline=read_dateline(text, gazetteer))
    assert found.main_country == "IN"
    assert "Bijbehara" in [entry["name"] for entry in found.entries]


def test_a_section_is_a_hint_and_no_place(gazetteer: Gazetteer) -> None:
    """A story in a regional section is not about the country for that alone."""
    assert find_places("Shops were shut.", gazetteer, section_country="IN").codes == ()


def test_a_city_has_a_point_longitude_first(gazetteer: Gazetteer) -> None:
    """GeoJSON (RFC 7946) puts longitude before latitude."""
    (kabul,) = (e for e in find_places("The talks in Kabul ended.", gazetteer).entries if e["literal"] == KABUL)
    longitude, latitude = kabul["geoJSON"]["coordinates"]
    assert (kabul["geoJSON"]["type"], round(longitude), round(latitude)) == ("Point", 69, 35)


def test_what_a_source_filed_stands_first_and_is_not_doubled(gazetteer: Gazetteer) -> None:
    """A provider's places are kept as they are; ours fill up."""
    filed = [{"name": "Kabul", "uri": "urn:example:place:7"}]
    found = find_places("Kabul and Moscow talked.", gazetteer)
    names = [entry["name"] for entry in merged(filed, found.entries)]
    assert names[0] == "Kabul"
    assert names.count("Kabul") == 1
    assert "Moscow" in names


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"uri": "https://sws.geonames.org/1138958/"}, (KABUL,)),
        ({"literal": "tj"}, ("TJ",)),
        ({"name": "Tajikistan"}, ("TJ",)),
        ({"name": "Somewhere", "uri": "urn:example:place:7"}, ()),
    ],
)
def test_filed_places_count_as_facts(gazetteer: Gazetteer, entry: dict[str, str], expected: tuple[str, ...]) -> None:
    """A filter for a place matches whether the source or we named it."""
    assert filed_codes([entry], gazetteer) == expected


@pytest.mark.parametrize(
    ("text", "word", "whole"),
    [
        ("in Kabul.", "Kabul", True),
        ("Kabulis", "Kabul", False),
        ("Таджикистана", "Таджикистан", True),
        ("Таджикистанцы", "Таджикистан", False),
        ("وبأفغانستان", "أفغانستان", True),
        ("भारतीय", "भारत", False),
        ("भारत में", "भारत", True),
        ("在北京的", "北京", True),
        ("카불에서", "카불", True),
    ],
)
def test_words_end_as_their_script_has_it(text: str, word: str, whole: bool) -> None:
    """Spaces, case endings, attached particles and vowel signs each have their rule."""
    start = text.index(word)
    assert (begins_word(text, start) and ends_word(text, start + len(word))) is whole
