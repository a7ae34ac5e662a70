"""The index answers as asking every filter would: over facts and words of all kinds, whatever was put and dropped."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.facts import Facts
from shared.domain.filter_index import FilterIndex
from shared.domain.story import Lane
from shared.domain.subscription import Filter, Text, wants

WORDS = (
    "bridge",
    "Bridge",
    "the",
    "of",
    "STRASSE",
    "straße",
    "Ärger",
    "naïve",
    "a-b",
    "東京",
    "東",
    "京都",
    "日本 東",
    "ไทย",
)
SEPARATORS = (" ", ", ", "", "\n", "、", " - ", "_")
TAGS = ("en", "EN", "en-GB", "en-gb-oed", "e", "de", "de-CH-1901", "-x", "")
PLACES = ("TJ", "tj", "US", "geonames:1220409", "geonames:5")


def phrases(most: int = 3) -> st.SearchStrategy[str]:
    """Words and phrases, some of them in the text, some that straddle what separates its words."""
    pieces = st.lists(st.sampled_from(WORDS + SEPARATORS), min_size=1, max_size=most).map("".join)
    return st.one_of(pieces, pieces.map('"{}"'.format), st.text(min_size=1, max_size=3)).filter(_has_a_word)


def _has_a_word(keyword: str) -> bool:
    return any(character.isalnum() for character in keyword.strip().strip('"“”').strip())


def some(of: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    """Often nothing: an empty clause says nothing."""
    return st.one_of(st.just([]), st.lists(st.sampled_from(of), max_size=3))


def terms() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "sections": some(("World", "sport", "arts & culture")),
            "subjects": some(("medtop:1", "medtop:2", "medtop:3")),
            "places": some(PLACES),
            "sources": some(("desk", "Desk", "reuter")),
            "languages": some(TAGS),
            "lanes": some(("flash", "routine")),
            "keywords": st.one_of(st.just([]), st.lists(phrases(), max_size=3)),
        }
    )


@st.composite
def filters(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Filter:
    """Of one clause, of many, of none, and with exclusions."""
    given_terms = draw(terms())
    kept = draw(st.sets(st.sampled_from(sorted(given_terms))))
    wanted = {name: given_terms[name] for name in sorted(kept)}
    excluded = draw(st.one_of(st.just({}), terms()))
    return Filter.model_validate({**wanted, "urgency_max": draw(st.none() | st.integers(1, 8)), "not": excluded})


def facts() -> st.SearchStrategy[Facts]:
    return st.builds(
        Facts,
        sections=some(("world", "sport", "arts-culture")),
        subjects=some(("medtop:1", "medtop:2", "medtop:3")),
        places=some(PLACES),
        sources=some(("desk", "Desk", "reuter")),
        languages=some(TAGS),
        urgency=st.integers(-1, 10),
        lanes=st.lists(st.sampled_from(Lane), max_size=2),
    )


def texts() -> st.SearchStrategy[Text | None]:
    prose = st.one_of(st.lists(st.sampled_from(WORDS + SEPARATORS), max_size=12).map("".join), st.text(max_size=12))
    return st.none() | st.builds(text_of, prose, prose, prose)


def text_of(headline: str, slugline: str = "", body: str = "") -> Text:
    return Text({"headlines": [{"value": headline}], "slugline": slugline, "bodies": [{"value": body}]})


def indexed(**wanted: Filter) -> FilterIndex:
    index = FilterIndex()
    for holder, each in wanted.items():
        index.put(holder, each)
    return index


@given(st.lists(filters(), max_size=8), st.lists(st.tuples(facts(), texts()), min_size=1, max_size=4))
def test_it_finds_whose_filter_wants_a_release(wanted: list[Filter], releases: list[tuple[Facts, Text | None]]) -> None:
    """No more and no fewer than judging each filter by itself."""
    by_holder = {f"sub_{number}": each for number, each in enumerate(wanted)}
    index = indexed(**by_holder)
    for found, text in releases:
        assert index.matching(found, text) == {one for one, each in by_holder.items() if wants(each, found, text)}


@given(
    st.lists(filters(), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 3)), max_size=20),
    facts(),
    texts(),
)
def test_what_was_replaced_or_dropped_leaves_nothing_behind(
    wanted: list[Filter], changes: list[tuple[str, int | None]], found: Facts, text: Text | None
) -> None:
    """After any changes it answers like one made anew of what is left, and holds no more filters than that."""
    index, left = FilterIndex(), dict[str, Filter]()
    for holder, number in changes:
        if number is None:
            index.drop(holder)
            left.pop(holder, None)
        else:
            left[holder] = wanted[number % len(wanted)]
            index.put(holder, left[holder])
        anew = indexed(**left)
        assert index.matching(found, text) == anew.matching(found, text)
        assert index.matching(found, text) == {one for one, each in left.items() if wants(each, found, text)}
        assert len(index) == len(anew)


@given(st.lists(phrases(), min_size=1, max_size=6), st.lists(texts(), min_size=1, max_size=3))
def test_a_keyword_is_found_wherever_the_text_has_it(keywords: list[str], read: list[Text | None]) -> None:
    """One filter for each keyword: none is missed by its anchor, none is found that is not there."""
    by_holder = {str(number): Filter(keywords=(each,)) for number, each in enumerate(keywords)}
    index = indexed(**by_holder)
    for text in read:
        assert index.matching(Facts(), text) == {
            one for one, each in by_holder.items() if text is None or text.has(each.keywords[0])
        }


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("Straße", "Die STRASSE ist zu"),
        ("the naïve", "of the\nnaïve"),
        ("東", "東京は雨"),
        ("京", "東京"),
        ("東京", "今日の東京は雨"),
        ("日本 東", "日本、東、雨"),
        ("本 日", "日本 日曜"),
    ],
)
def test_words_phrases_and_scripts_without_spaces_are_found(keyword: str, text: str) -> None:
    """What the property test is to meet, by example."""
    index = indexed(one=Filter(keywords=(keyword,)), none=Filter(keywords=("elsewhere",)))
    assert index.matching(Facts(), text_of(text)) == {"one"}


def test_a_part_of_a_word_is_no_keyword() -> None:
    """Nor is a phrase whose words stand apart."""
    index = indexed(part=Filter(keywords=("bridg",)), apart=Filter(keywords=("bridge opens",)))
    assert index.matching(Facts(), text_of("The bridge that opens")) == set()


def test_a_notice_without_text_passes_keywords_and_is_excluded_by_none() -> None:
    """Nobody misses a withhold for its lack of words."""
    excluding = Filter.model_validate({"not": {"keywords": ["bridge"]}})
    index = indexed(wanting=Filter(keywords=("bridge",)), excluding=excluding)
    assert index.matching(Facts(), None) == {"wanting", "excluding"}


def test_equal_filters_are_judged_once() -> None:
    """Whoever holds them, and in whatever order their terms stand."""
    index = indexed(
        one=Filter(sections=("World", "sport"), keywords=("Bridge",)),
        two=Filter(sections=("sport", "world"), keywords=("bridge",)),
        three=Filter(sections=("sport",)),
    )
    assert len(index) == 2
    assert index.matching(Facts(sections=("world",)), text_of("A bridge")) == {"one", "two"}
    index.drop("one")
    assert index.matching(Facts(sections=("world",)), text_of("A bridge")) == {"two"}


def test_a_keyword_is_found_as_long_as_any_filter_names_it() -> None:
    """One of two that share it goes, then the other."""
    index = indexed(
        one=Filter(keywords=("bridge", "日本")), two=Filter.model_validate({"keywords": ["bridge"], "places": ["TJ"]})
    )
    index.drop("one")
    assert index.matching(Facts(places=("TJ",)), text_of("A bridge")) == {"two"}
    index.drop("two")
    index.put("three", Filter(keywords=("bridge",)))
    assert index.matching(Facts(), text_of("A bridge")) == {"three"}


def test_a_term_that_very_many_filters_name_finds_them_all() -> None:
    """Also when all but one are gone again."""
    index = FilterIndex()
    for number in range(300):
        index.put(str(number), Filter(sections=("world",), keywords=(f"word{number}",), places=("TJ",)))
    found = Facts(sections=("world",), places=("TJ",))
    assert index.matching(found, None) == {str(number) for number in range(300)}
    assert index.matching(found, text_of("word7 word299")) == {"7", "299"}
    for number in range(299):
        index.drop(str(number))
    assert index.matching(found, None) == {"299"}
    index.drop("299")
    assert (index.matching(found, None), len(index)) == (set(), 0)
