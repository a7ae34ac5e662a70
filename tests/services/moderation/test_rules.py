"""What the first rules hold, label and let pass."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.moderation.rulebook import FIRST, AnyPhrase, Filing, Hold, Label, Rule
from services.moderation.rules import Judgement, RuleFailure, Rules, judge
from services.moderation.wording import passage
from shared.domain.events import Enriched, Span
from shared.domain.story import headline_of, plain_body_of
from tests.domain.stories import enriched, ninjs
from tests.material import material


def of(body: str, **fields: Any) -> Judgement:
    return judge(enriched(story=ninjs(body=body), **fields))


def spoke(judgement: Judgement) -> set[str]:
    return {evidence.rule for evidence in judgement.ruling.evidence}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("Police arrested a 17-year-old boy.", "17-year-old"),
        ("A schoolgirl, 15, was found.", "15"),
        ("Pupil Ann Example (15) won the race.", "15"),
        ("Ann Example, aged 12, was on the bus.", "12"),
        ("The 15-year-old was taken home.", "15-year-old"),
        ("The 16-year-old’s mother waited.", "16-year-old’s"),
        ("He lost a six-month-old baby.", "six-month-old"),
        ("Two boys aged 14 and 15 ran off.", "14"),
        ("A girl of the village, at the age of just 13, wrote it.", "13"),
        ("A 17‑year‑old\nSyrian refugee spoke.", "17‑year‑old"),
        ("His son is 16 years old.", "16 years old"),
        ("An underage girl was served.", "underage girl"),
    ],
)
def test_a_minor_is_held_for_the_legal_desk(body: str, words: str) -> None:
    """The span shows the editor the very words, in code points of the plain body."""
    ruling = of(body).ruling
    assert (ruling.outcome, ruling.queue) == ("hold", "legal")
    span = ruling.evidence[0].span
    assert span is not None
    assert (span.kind, body[span.start : span.end]) == ("body", words)


@pytest.mark.parametrize(
    "body",
    [
        "A 17-year-old law on bees was changed.",
        "The ten-year-old company grew.",
        "An 18-year-old student was fined.",
        "A whisky aged 16 years was sold.",
        "Children under 5 travel free.",
        "The girls won 15, 12 and 11.",
        "Students met; 15 minutes later they left.",
        "Children, 12 of them hurt, fled.",
        "The game Ball Evolution Soccer 4 is out.",
        "The school has boys. A 15-year-old roof fell in.",
        "It was 15 degrees when the boy came home.",
    ],
)
def test_a_number_that_is_nobodys_age_passes(body: str) -> None:
    """Each needless hold costs an editor's minute and a reader's."""
    assert of(body).ruling.outcome == "allow"


@pytest.mark.parametrize(
    "body",
    [
        "The trial  continues.",
        "She PLEADED NOT\nGUILTY.",
        "He was remanded in custody",
        "It is sub judice.",
        "(sub-judice)",
    ],
)
def test_a_case_before_a_court_is_held(body: str) -> None:
    """Whatever the case and however the words are spaced."""
    judgement = of(body)
    assert (judgement.ruling.outcome, judgement.ruling.queue) == ("hold", "legal")
    assert spoke(judgement) == {"sub-judice"}


@pytest.mark.parametrize(
    "body", ["The trials continue.", "A sub judicela", "He was not. Guilty he felt.", "The stand. Trial by error."]
)
def test_parts_of_words_and_broken_sentences_are_no_phrase(body: str) -> None:
    """Whole words, with nothing but space between them."""
    assert of(body).ruling.outcome == "allow"


def test_the_headline_is_judged_too() -> None:
    """It is what most readers see; its span counts in the headline and says so."""
    story = ninjs(headline="Boy, 12, saves dog", body="It happened on Monday.")
    ruling = judge(enriched(story=story)).ruling
    assert ruling.outcome == "hold"
    assert ruling.evidence[0].span == Span(kind="headline", start=5, end=7)


def test_the_summary_is_judged_too() -> None:
    """Some products show nothing but headline and summary."""
    story = ninjs(descriptions=[{"value": "The trial continues."}])
    assert judge(enriched(story=story)).ruling.outcome == "hold"


def test_evidence_names_rule_version_and_the_text_it_saw() -> None:
    """A later text under the same version can be told from the one that was judged."""
    body = "The trial continues."
    [evidence] = of(body).ruling.evidence
    assert (evidence.rule, evidence.rule_version) == ("sub-judice", 1)
    assert evidence.text_hash == hashlib.sha256(body.encode()).hexdigest()


@pytest.mark.parametrize(
    ("urgency", "trust", "outcome"),
    [(1, "low", "hold"), (2, "low", "hold"), (3, "low", "allow"), (1, "normal", "allow"), (1, "high", "allow")],
)
def test_only_a_flash_from_a_low_trust_source_waits(urgency: int, trust: str, outcome: str) -> None:
    """Its routine copy flows, and so do the flashes of others."""
    judgement = of("Bridge falls.", urgency=urgency, trust=trust)
    assert judgement.ruling.outcome == outcome
    assert judgement.ruling.queue == ("sources" if outcome == "hold" else None)


def test_an_unnamed_source_is_labelled_and_passes() -> None:
    """Label, do not judge."""
    judgement = of("It will rain, officials said on condition of anonymity.")
    assert (judgement.ruling.outcome, judgement.labels) == ("allow", ("unnamed-source",))


def test_contact_data_is_labelled_and_passes() -> None:
    """Enrichment found it; phones and addresses are often meant to be public."""
    judgement = of("Call 555 0100.", contacts=(Span(kind="phone", start=5, end=13),))
    assert (judgement.ruling.outcome, judgement.labels) == ("allow", ("contact-data",))


def test_what_its_source_withdrew_is_never_released_as_news() -> None:
    """A filing that says canceled is the opposite of copy."""
    judgement = judge(enriched(story=ninjs(pubStatus="canceled")))
    assert (judgement.ruling.outcome, judgement.ruling.queue) == ("hold", "sources")


def test_the_first_rule_that_holds_gives_the_reason_and_all_give_evidence() -> None:
    """One queue for one story, nothing hidden from the editor."""
    judgement = of("A 15-year-old boy pleaded not guilty, sources said.", urgency=1, trust="low")
    assert judgement.ruling.reason == "a minor may be identifiable in it"
    assert [evidence.rule for evidence in judgement.ruling.evidence] == [
        "minors",
        "sub-judice",
        "flash-low-trust",
        "unnamed-source",
    ]


def broken(_: Enriched) -> bool:
    """A fact with a fault."""
    raise RuntimeError("a fault in the rule")


@pytest.mark.parametrize(("legal", "outcome", "labels"), [(True, "hold", ()), (False, "allow", ("unchecked-odd",))])
def test_a_broken_rule_holds_where_law_asks_passes_with_a_label_elsewhere_and_is_told(
    legal: bool, outcome: str, labels: tuple[str, ...]
) -> None:
    """A fault of ours must neither lose a story nor let a legal question pass, and somebody must hear of it."""
    table = Rules([Rule("odd", 1, Filing("has_contacts"), Hold("legal", "odd"), legal=legal)], {"has_contacts": broken})
    judgement = table.judge(enriched("an odd text"))
    assert (judgement.ruling.outcome, judgement.labels) == (outcome, labels)
    assert spoke(judgement) == {"odd"} if legal else judgement.ruling.evidence[0].rule == "odd"
    assert judgement.failures == (RuleFailure("odd", "RuntimeError"),)


def test_a_table_is_refused_that_cannot_mean_anything() -> None:
    """Found when the service starts, not when the story comes."""
    with pytest.raises(ValueError, match="no word"):
        Rules([Rule("empty", 1, AnyPhrase(("...",)), Label("x"))])
    with pytest.raises(KeyError):
        Rules([Rule("odd", 1, Filing("no such fact"), Label("x"))])  # type: ignore[arg-type]


def test_every_rule_has_a_name_of_its_own() -> None:
    """Evidence names rules; two of one name could not be told apart."""
    assert len({rule.name for rule in FIRST}) == len(FIRST)


def test_the_sample_page_passes_unheld() -> None:
    """The demonstration's own story is a plain news story."""
    page = material("seeds", "kashmir-story-page.txt").read_text()
    assert of(page).ruling.outcome == "allow"


_TEXTS = st.lists(
    st.sampled_from(
        [
            *("a", "boy", "Girl,", "15", "17-year-old", "aged", "12,", "old", "years", "trial", "continues", "sources"),
            *("said", "not", "pleaded", "guilty", ".", "\n\n", "İ", "ß", "日本", "é", "’s", "(", ")", "—"),
        ]
    ),
    max_size=40,
).map(" ".join)


@given(_TEXTS, _TEXTS)
def test_spans_lie_in_the_text_they_name_and_judging_again_says_the_same(headline: str, body: str) -> None:
    """Whatever the letters, code points count; a replayed filing is judged as before."""
    filed = enriched(story=ninjs(headline=headline, body=body))
    judgement = judge(filed)
    assert judgement == judge(filed)
    texts = {"headline": headline_of(filed.story), "body": plain_body_of(filed.story)}
    for evidence in judgement.ruling.evidence:
        assert evidence.span is not None
        text = texts[evidence.span.kind][evidence.span.start : evidence.span.end]
        assert passage(text).words


@given(st.text(max_size=200))
def test_no_text_breaks_the_rules(text: str) -> None:
    """A rule that breaks on a text would hold every story like it."""
    assert not any(label.startswith("unchecked") for label in of(text).labels)
    assert "could not be checked" not in (of(text).ruling.reason or "")
