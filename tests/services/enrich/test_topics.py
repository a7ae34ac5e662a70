"""Subjects are Media Topics that exist, given only where the story or its source speaks clearly."""

import json
from typing import Any

import pytest

from services.enrich.topics import CREATOR, TopicLexicon, merged
from tests.material import material
from tests.services.enrich.samples import ENGLISH, IN_LANGUAGES

SPORT = """The striker scored a goal in each half as the team won the cup final, and the coach praised his midfielder. \
The championship goes on with the semi-final of the league cup in the new stadium next week."""
BUSINESS = """Shares fell and the currency slipped as investors waited for the central bank. Inflation and weak \
exports hurt earnings, economists said, and the retailer cut its profit forecast for the quarter."""
HEALTH = """Doctors at the hospital treated patients in the cholera outbreak, and nurses gave the vaccine. The \
infection spread from a clinic, health officials said; the disease has killed nine."""
DISASTER = """A magnitude 6 earthquake was followed by an aftershock and a landslide. Rescuers searched the rubble for \
survivors while emergency services evacuated villages near the epicentre. The death toll may rise."""


def found_in(lexicon: TopicLexicon, text: str, **asked: Any) -> list[str]:
    """Give the codes of a story without a headline."""
    found = lexicon.find("", text, **({"language": "en", "section": None} | asked))
    return list(found.codes)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ENGLISH, "medtop:16000000"),
        (SPORT, "medtop:15000000"),
        (BUSINESS, "medtop:04000000"),
        (HEALTH, "medtop:07000000"),
        (DISASTER, "medtop:03000000"),
    ],
)
def test_a_clear_story_has_one_main_subject(lexicon: TopicLexicon, text: str, code: str) -> None:
    """What stands out is told, and nothing beside it."""
    tops = [found for found in found_in(lexicon, text) if not lexicon.concepts[found[7:]].broader]
    assert tops == [code]


@pytest.mark.parametrize("language", ["fr", "de", "es", "ru", "ar"])
def test_a_story_in_another_language_has_its_subject(lexicon: TopicLexicon, language: str) -> None:
    """The lexicon speaks the languages it has words in."""
    assert "medtop:16000000" in found_in(lexicon, IN_LANGUAGES[language], language=language)


@pytest.mark.parametrize(
    "text",
    [
        "The lamp on the desk is green and the door stands open.",
        "The court heard that the minister’s film about the match was shot in a hospital during the strike.",
        "War.",
        "",
    ],
)
def test_an_unclear_story_has_none(lexicon: TopicLexicon, text: str) -> None:
    """Where everything is a little true, or a single word is all, nothing is said."""
    assert found_in(lexicon, text) == []


def test_two_words_repeated_are_not_a_subject(lexicon: TopicLexicon) -> None:
    """A band called War with a fan club called Troops makes no conflict."""
    assert found_in(lexicon, "War played. War sang. War left. War came. Troops sat. Troops ate. Troops slept.") == []


def test_one_word_repeated_drowns_no_subject(lexicon: TopicLexicon) -> None:
    """A war told around one football ground is told about the war."""
    report = "Troops and rebels kept fighting with artillery; soldiers fired a missile."
    assert "medtop:16000000" in found_in(lexicon, f"{report} {'They held the stadium. ' * 20}")


def test_a_subject_far_behind_the_first_is_not_told(lexicon: TopicLexicon) -> None:
    """A minister, a president and an embassy in a war report do not make it a report on politics."""
    report = "Troops and rebels kept fighting. Artillery, shelling and a missile hit militia, soldiers and army. War."
    politics = "The president, a minister, the embassy, the parliament and the government said so."
    tops = [code for code in found_in(lexicon, f"{report} {politics}") if code.endswith("000000")]
    assert tops == ["medtop:16000000"]
    assert "medtop:11000000" in found_in(lexicon, politics)


def test_a_fine_concept_brings_all_its_broader_ones(lexicon: TopicLexicon) -> None:
    """A subscriber to conflict must get what is coded as armed conflict."""
    found = found_in(lexicon, ENGLISH)
    assert found.index("medtop:20000056") > found.index("medtop:16000000")
    filed = [{"name": "civil war", "uri": "http://cv.iptc.org/newscodes/mediatopic/20000063"}]
    assert found_in(lexicon, "", filed=filed) == [
        "medtop:20000063",
        "medtop:20000062",
        "medtop:20000056",
        "medtop:16000000",
    ]


def test_the_providers_codes_win(lexicon: TopicLexicon) -> None:
    """Who coded the story by hand knows better; nothing of ours is added."""
    filed = [{"name": "cricket", "literal": "medtop:20000888"}]
    found = lexicon.find("", ENGLISH, language="en", section="Politics", filed=filed)
    assert found.entries == ()
    assert found.codes == ("medtop:20000888", "medtop:20000822", "medtop:15000000")


def test_subjects_in_another_scheme_do_not_silence_ours(lexicon: TopicLexicon) -> None:
    """A provider's in-house keyword is no Media Topics code."""
    filed = [{"name": "Border", "uri": "urn:example:keyword:7"}]
    found = lexicon.find("", ENGLISH, language="en", section=None, filed=filed)
    assert [entry["name"] for entry in merged(filed, found.entries)][:2] == ["Border", "conflict, war and peace"]


@pytest.mark.parametrize(
    ("section", "slug", "code"),
    [
        ("Politics", "politics", "medtop:11000000"),
        ("Sports", "sport", "medtop:15000000"),
        ("DEPORTES", "sport", "medtop:15000000"),
        ("Business", "business", "medtop:04000000"),
        ("Health", "health", "medtop:07000000"),
        ("World", "world", None),
        ("Opinion", "opinion", None),
        ("Kashmir", "kashmir", None),
        ("Jammu", "jammu", None),
        ("Our Valley", "our-valley", None),
    ],
)
def test_a_section_says_what_it_can(lexicon: TopicLexicon, section: str, slug: str, code: str | None) -> None:
    """Some sections name a subject, others a region or a form."""
    assert lexicon.section(section).slug == slug
    assert found_in(lexicon, "", section=section) == ([code] if code else [])


def test_a_subject_tells_who_gave_it_and_how_sure(lexicon: TopicLexicon) -> None:
    """Readers must be able to tell a machine's subject from an editor's."""
    found = lexicon.find("Troops at war", ENGLISH, language="en", section=None)
    first = found.entries[0]
    assert (first["uri"], first["creator"]) == ("http://cv.iptc.org/newscodes/mediatopic/16000000", CREATOR)
    assert 50 <= first["confidence"] <= 95
    assert first["relevance"] == 100


def test_every_code_exists_and_stands_where_we_say(lexicon: TopicLexicon) -> None:
    """Our table agrees with the official vocabulary: no retired code, every parent right, every name as given."""
    official = {c["qcode"]: c for c in json.loads(material("data", "media-topics.json").read_text())}
    for concept in lexicon.concepts.values():
        known = official[f"medtop:{concept.code}"]
        assert not known["retired"], concept
        assert known["broader"] == (f"medtop:{concept.broader}" if concept.broader else None), concept
        assert known["name"] == concept.name


def test_every_word_and_section_names_a_known_concept(lexicon: TopicLexicon) -> None:
    """A slip in a table would otherwise show on the one story that meets it."""
    sections = {section.code for section in lexicon.sections.values() if section.code}
    spoken = {code for automaton in lexicon.words_of.values() for _, _, codes in automaton.values() for code in codes}
    assert sections | spoken <= set(lexicon.concepts)
    assert len([code for code in spoken if not lexicon.concepts[code].broader]) == 17
