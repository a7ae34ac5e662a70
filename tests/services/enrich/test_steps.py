"""A story comes out of enrichment valid, with more than it had, whatever a step does on the way."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.enrich.contacts import ContactKind
from services.enrich.near_duplicates import text_hash
from services.enrich.steps import Draft, Enrichment, Step, Steps
from shared.domain.story import plain_body_of
from tests.material import material
from tests.services.enrich.samples import ENGLISH, IN_LANGUAGES, body_of, filed
from tests.services.enrich.validity import NinjsValidity

JULY_6 = datetime(2021, 7, 6, tzinfo=UTC)


def enriched(steps: Steps, story: dict[str, Any], **known: Any) -> Enrichment:
    """Enrich a story of which its source tells nothing beside it, unless `known` says so."""
    return steps.enrich(story, **({"section": None, "source_language": None, "published_at": None} | known))


def breaking(draft: Draft) -> Draft:
    """Fail as a step might, with copy in the error's words."""
    raise RuntimeError(draft.text)


def with_step(steps: Steps, name: str, run: Callable[[Draft], Draft]) -> Steps:
    """Give the chain with one step replaced."""
    return replace(steps, chain=tuple(Step(name, run) if step.name == name else step for step in steps.chain))


def test_a_story_gains_language_place_subject_and_both_bodies(steps: Steps, ninjs: NinjsValidity) -> None:
    """One story through the whole chain: what a subscriber reads, and what filters are judged on."""
    result = enriched(steps, filed(), section="World", published_at=JULY_6)
    assert ninjs.faults(result.story) == []
    assert (result.story["language"], result.story["located"]) == ("en", "Kabul, Afghanistan")
    assert body_of(result.story, "text/html").startswith("<p>KABUL, Afghanistan")
    assert {"Afghanistan", "Tajikistan", "Kabul"} <= {place["name"] for place in result.story["places"]}
    facts = result.facts
    assert (facts.sections, facts.language) == (("world",), "en")
    assert {"medtop:16000000", "medtop:20000056"} <= set(facts.subjects)
    assert {"AF", "TJ", "geonames:1138958"} <= set(facts.places)
    assert facts.text_hash == text_hash(ENGLISH)
    assert (result.labels, result.failures) == ((), ())


@pytest.mark.parametrize("language", IN_LANGUAGES)
def test_a_story_in_any_language_comes_out_valid_and_told(steps: Steps, ninjs: NinjsValidity, language: str) -> None:
    """Language and countries do not depend on the script."""
    result = enriched(steps, filed(IN_LANGUAGES[language], headlines=[]))
    assert ninjs.faults(result.story) == []
    assert result.facts.language == language
    assert {"TJ", "RU", "AF"} <= set(result.facts.places)


def test_what_the_source_said_is_kept(steps: Steps) -> None:
    """Fields that a story brings are its provider's; enrichment fills gaps."""
    place, subject = {"name": "Border"}, {"name": "war", "uri": "http://cv.iptc.org/newscodes/mediatopic/20000062"}
    story = filed(language="en-GB", located="The border", places=[place], subjects=[subject])
    result = enriched(steps, story)
    assert (result.story["language"], result.story["located"]) == ("en-GB", "The border")
    assert result.story["places"][0] == place
    assert result.story["subjects"] == [subject]
    assert result.facts.subjects == ("medtop:20000062", "medtop:20000056", "medtop:16000000")


def test_a_correction_gains_no_fields_that_it_does_not_change(steps: Steps) -> None:
    """Its fields are laid over the corrected text: found places would replace those of the whole story."""
    correction = {"bodies": [{"contentType": "text/plain", "value": ENGLISH}]}
    result = enriched(steps, correction, partial=True)
    assert set(result.story) == {"bodies"}
    assert "TJ" in result.facts.places


def test_the_section_is_read_off_the_subject_where_none_is_filed(steps: Steps) -> None:
    """Sport filed without a section still belongs on the sport page."""
    sport = "The striker scored a goal, the goalkeeper saved a penalty and the coach saw his team win the league match."
    assert enriched(steps, filed(sport, headlines=[])).facts.sections == ("sport",)


def test_contact_data_is_labelled_by_kind_and_not_repeated(steps: Steps) -> None:
    """The desk sees that there is a number, and where; the facts never say which."""
    text = f"{ENGLISH}\n\nRing +44 20 7946 0958 or +44 20 7946 0123, or write to desk@news.example."
    result = enriched(steps, filed(text))
    assert result.labels == ("contact-data:phone", "contact-data:email")
    assert [hit.kind for hit in result.facts.contacts] == [ContactKind.PHONE, ContactKind.PHONE, ContactKind.EMAIL]
    assert "7946" not in repr(result.facts)


@pytest.mark.parametrize(
    ("story", "known", "label"),
    [
        (filed(language="fr"), {}, "language-disputed"),
        (filed(), {"published_at": datetime(2021, 8, 1, tzinfo=UTC)}, "dateline-date-far-from-filing"),
        (filed("<script>x</script>Rates rise."), {}, "active-content-removed"),
    ],
)
def test_what_an_editor_should_look_at_is_labelled(
    steps: Steps, story: dict[str, Any], known: dict[str, Any], label: str
) -> None:
    """A label decides nothing; rules and people do."""
    assert enriched(steps, story, **known).labels == (label,)


@pytest.mark.parametrize("name", ["language", "dateline", "places", "topics", "contacts"])
def test_a_step_that_raises_is_left_out_and_the_others_go_on(steps: Steps, ninjs: NinjsValidity, name: str) -> None:
    """No fault of ours keeps a story from the wire; the reason names the error but not its words."""
    result = enriched(with_step(steps, name, breaking), filed())
    assert result.labels == (f"enrichment-failed:{name}",)
    assert [(failure.step, failure.reason) for failure in result.failures] == [(name, "RuntimeError")]
    assert plain_body_of(result.story) == ENGLISH
    assert ninjs.faults(result.story) == []
    others = {
        "language": result.facts.language is not None,
        "dateline": "located" in result.story,
        "places": "TJ" in result.facts.places,
        "topics": "medtop:16000000" in result.facts.subjects,
    }
    assert [other for other, present in others.items() if not present] == [n for n in (name,) if n in others]


def test_a_step_over_its_budget_is_left_out(steps: Steps) -> None:
    """What comes too late is not waited for again by being kept: a slow step is seen, not hidden."""
    minutes = count()
    slow = replace(steps, clock=lambda: 60.0 * next(minutes))
    result = enriched(slow, filed())
    assert {failure.reason for failure in result.failures} == {"over budget"}
    assert set(result.story) == set(filed())


def test_markup_that_cannot_be_cleaned_becomes_text(steps: Steps, ninjs: NinjsValidity) -> None:
    """Sanitising may fail, but never open."""
    result = enriched(steps, filed("<div>" * 1_000 + "<script>attack()</script>Rates rise.", content_type="text/html"))
    assert "enrichment-failed:sanitise" in result.labels
    assert all("<" not in body["value"] for body in result.story["bodies"])
    assert "Rates rise." in plain_body_of(result.story)
    assert ninjs.faults(result.story) == []


WORST = [
    *("<b>", '<a "', "<script>", "< ", "&", "\n", "@", "a@a.", "4111 ", "GB82 ", "+1 ", "1"),
    *("Paris ", "Saint ", "war ", "ﷺ", "北京", "\u0301"),
]


@pytest.mark.parametrize("content_type", ["text/plain", "text/html"])
@pytest.mark.parametrize("piece", WORST)
def test_the_longest_body_of_the_worst_kind_ends(steps: Steps, piece: str, content_type: str) -> None:
    """Every step reads a bounded part in linear time: 256 KiB of anything passes within the test's own limit."""
    text = (piece * 262_144)[: 262_144 // len(piece.encode())]
    result = enriched(replace(steps, clock=lambda: 0.0), filed(text, content_type=content_type))
    assert {failure.step for failure in result.failures} <= {"sanitise"}


def test_the_same_story_gives_the_same_answer(steps: Steps) -> None:
    """A replayed record must enrich as it did, in this process and in another."""
    first, again = enriched(steps, filed()), enriched(Steps.load(), filed())
    assert json.dumps(first.story) == json.dumps(again.story)
    assert (first.labels, first.facts) == (again.labels, again.facts)


def test_the_filed_object_is_left_as_it_is(steps: Steps) -> None:
    """The caller still holds what was filed."""
    story = filed(places=[{"name": "Border"}], subjects=[])
    before = json.dumps(story)
    enriched(steps, story)
    assert json.dumps(story) == before


TEXTS = st.text(max_size=200) | st.builds(
    " ".join,
    st.lists(
        st.sampled_from(
            ["Paris,", "Texas", "KABUL -", "troops", "war", "goal", "<b>", "</p>", "+44", "a@b.cd", "北京", "الجيش"]
        ),
        max_size=40,
    ),
)
STORIES = st.fixed_dictionaries(
    {"uri": st.just("urn:example:desk:1")},
    optional={
        "headlines": st.lists(st.fixed_dictionaries({"value": TEXTS}), max_size=2),
        "bodies": st.lists(
            st.fixed_dictionaries(
                {"value": TEXTS},
                optional={"contentType": st.sampled_from(["text/plain", "text/html", "application/xml"])},
            ),
            max_size=3,
        ),
        "language": TEXTS,
        "located": TEXTS,
        "title": TEXTS,
        "places": st.lists(st.fixed_dictionaries({}, optional={"name": TEXTS, "literal": TEXTS}), max_size=2),
        "subjects": st.lists(st.fixed_dictionaries({}, optional={"name": TEXTS, "literal": TEXTS}), max_size=2),
    },
)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(story=STORIES, section=st.none() | TEXTS, language=st.none() | TEXTS)
def test_any_valid_story_comes_out_valid_and_complete(
    steps: Steps, ninjs: NinjsValidity, story: dict[str, Any], section: str | None, language: str | None
) -> None:
    """No step raises on valid input, none breaks the schema, none loses a body."""
    result = enriched(steps, story, section=section, source_language=language, published_at=JULY_6)
    assert result.failures == ()
    assert ninjs.faults(result.story) == []
    assert len(result.story.get("bodies", [])) >= len(story.get("bodies", []))


def test_agency_items_stay_valid(steps: Steps, ninjs: NinjsValidity) -> None:
    """Real items of real agencies, with everything that ninjs can hold, go through unharmed."""
    items = [json.loads(path.read_text()) for path in sorted(material("data", "ninjs", "examples").glob("*.json"))]
    valid = [item for item in items if isinstance(item, dict) and not ninjs.faults(item)]
    results = [enriched(steps, item) for item in valid]
    assert len(valid) >= 5
    assert [ninjs.faults(result.story) for result in results] == [[] for _ in valid]
    assert {failure for result in results for failure in result.failures} == set()


def test_the_seed_story_is_about_tajikistan_and_afghanistan(steps: Steps, ninjs: NinjsValidity) -> None:
    """The first real input: a World story of a Kashmir desk about fighting near the Tajik border."""
    page = material("seeds", "kashmir-story-page.txt").read_text()
    text = page[page.index("A surge of") : page.index("ShareTweet")].strip()
    story = filed(text, headlines=[{"value": page[page.index("Taliban wins") :].splitlines()[0]}])
    result = enriched(steps, story, section="World", source_language="en", published_at=JULY_6)
    assert ninjs.faults(result.story) == []
    assert {"AF", "TJ"} <= set(result.facts.places)
    assert result.facts.places[:2] == ("AF", "TJ")
    assert "FR" not in result.facts.places
    assert "geonames:1133616" in result.facts.places
    assert [code for code in result.facts.subjects if code.endswith("000000")] == ["medtop:16000000"]
    assert (result.facts.sections, result.facts.language) == (("world",), "en")
    assert (result.labels, result.failures, result.facts.contacts) == ((), (), ())
