"""What is filed is decided by the seed alone, and before it is filed."""

import json

import pytest

from tests.chaos import __main__ as command
from tests.chaos.cases import CASES, deck
from tests.chaos.driver import text_of
from tests.chaos.filters import Told, wants, words_of
from tests.chaos.plan import stories
from tests.chaos.wording import mark_in


def test_the_same_seed_tells_the_same_stories() -> None:
    """Texts included; another seed tells others."""
    first, again, other = (list(stories(seed, 10, 20)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert [text_of(one, 0) for one in first[:20]] == [text_of(one, 0) for one in again[:20]]


def test_every_case_is_told_within_one_deck() -> None:
    """So that a short run exercises everything too."""
    told = [story.case for story in stories(1, 1, len(deck()))]
    assert sorted(told) == sorted(deck())
    assert set(told) == set(CASES)


def test_every_text_has_a_mark_of_its_own_in_its_headline() -> None:
    """It is how a filing is known again in any channel."""
    planned = list(stories(1, 10, 12))
    marks = [step.mark for story in planned for step in story.steps if step.mark and step.again is None]
    assert len(set(marks)) == len(marks)
    filed = [(one, n) for one in planned for n, step in enumerate(one.steps) if step.act == "file"]
    good = [(one, n) for one, n in filed if one.case != "invalid"]
    assert all(mark_in(text_of(one, n)["headlines"][0]["value"]) == one.steps[n].mark for one, n in good)


def test_one_filing_reads_the_same_at_every_request() -> None:
    """A repeated request with its key must have the body it had."""
    story = next(one for one in stories(1, 10, 12) if one.case == "repeat")
    assert json.dumps(text_of(story, 0)) == json.dumps(text_of(story, 0))
    assert text_of(story, 0)["bodies"] == text_of(story, 1)["bodies"], "a repeat has the text of the first"


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        ({}, True),
        ({"sources": ["a", "b"]}, True),
        ({"sources": ["b"]}, False),
        ({"urgency_max": 3}, False),
        ({"urgency_max": 4, "lanes": ["routine"]}, True),
        ({"lanes": ["flash"]}, False),
        ({"languages": ["en"], "keywords": ["ferry", "museum"]}, True),
        ({"keywords": ["ferr"]}, False),
        ({"sources": ["a"], "not": {"keywords": ["Ferry"]}}, False),
        ({"not": {"sources": ["b"]}}, True),
        ({"sources": []}, True),
    ],
)
def test_a_filter_is_read_clause_by_clause(wanted: dict[str, object], passes: bool) -> None:
    """Any of within a field, all of across fields, `not` excludes."""
    told = Told("a", 4, "routine", "en", words_of("The ferry of today"))
    assert wants(wanted, told) is passes


def test_a_filter_that_the_driver_cannot_judge_is_refused() -> None:
    """It would prove nothing."""
    with pytest.raises(ValueError, match="subjects"):
        wants({"subjects": ["medtop:1"]}, Told("a", 4, "routine", "en", frozenset()))


def test_the_plan_is_printed_and_nothing_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    """`--plan` shows filings and faults of a seed."""
    assert command.main(["--plan", "--seed", "17", "--minutes", "2", "--rate", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("urn:example:chaos:") == 120
    assert "process kills" in shown
