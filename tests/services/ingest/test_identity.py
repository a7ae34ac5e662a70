"""When two filings are the same story, and when they are not."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import dump
from services.ingest.identity import story_id_for
from services.ingest.ninjs_check import is_uri
from services.ingest.parsed import Parsed


def page(headline: str, day: int | None = 6, item: str | None = None) -> Parsed:
    """A parsed page with that headline, day of July 2021 and item id."""
    published = datetime(2021, 7, day, tzinfo=UTC) if day else None
    return Parsed(story={"headlines": [{"value": headline}]}, source_item_id=item, published_at=published)


def test_the_sources_own_uri_is_the_story() -> None:
    """A ninjs uri names the story over all its versions."""
    assert story_id_for("kdc", Parsed(story={}, story_id="urn:newsml:example:1")) == "urn:newsml:example:1"


def test_a_feed_item_goes_by_its_id_whatever_its_headline() -> None:
    """A headline may be mended; the guid stays."""
    assert story_id_for("kdc", page("One", item="g1")) == story_id_for("kdc", page("Two", day=9, item="g1"))
    assert story_id_for("kdc", page("One", item="g1")) != story_id_for("kdc", page("One", item="g2"))


@pytest.mark.parametrize("again", ["BRIDGE  reopens in Sarn!", "Bridge reopens in Sarn", "“Bridge” reopens in Ｓarn"])
def test_a_page_goes_by_headline_and_date(again: str) -> None:
    """Case, spacing, punctuation and width do not make another story."""
    assert story_id_for("kdc", page("Bridge reopens in Sarn")) == story_id_for("kdc", page(again))


def test_another_day_source_or_headline_is_another_story() -> None:
    """Each of the three marks counts."""
    ids = {
        story_id_for("kdc", page("Bridge reopens")),
        story_id_for("kdc", page("Bridge reopens", day=7)),
        story_id_for("kdc", page("Bridge reopens", day=None)),
        story_id_for("other", page("Bridge reopens")),
        story_id_for("kdc", page("Bridge closes")),
    }
    assert len(ids) == 5


def test_the_same_page_dumped_twice_is_the_same_story() -> None:
    """Line ends, the day of the dump and what stands around the story do not count."""
    text = (
        "Council meets in vain again\nBy Ann Lee\n6 July 2021\n"
        + "The council met for six hours and agreed on nothing. " * 3
    )
    first, again = (
        f"Monday, 5 May 2025\n  • Home\n{text}",
        f"Friday, 9 May 2025\n  • Home\n{text}\nShare".replace("\n", "\r\n"),
    )
    assert story_id_for("kdc", dump.parse(first.encode())) == story_id_for("kdc", dump.parse(again.encode()))


def test_the_id_never_changes() -> None:
    """Stored ids depend on it: this value may not be edited to make the test pass."""
    assert story_id_for("KDC", page("Bridge reopens")) == "urn:slugline:kdc:798b1eb27a4b4e05d908aa806f90753b"


@given(source=st.text(min_size=1), headline=st.text())
def test_every_source_gives_a_uri(source: str, headline: str) -> None:
    """Whatever a source is called, its stories have ids that ninjs takes."""
    assert is_uri(story_id_for(source, page(headline)))
