"""How HTML reads as text, and which characters are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.cleaning import comparable, forbidden_character, html_to_text, without_forbidden


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One<br>two<br/>three", "One\ntwo\nthree"),
        ("<b>Bo</b>ld and\n  spaced", "Bold and spaced"),
        ("Fish &amp; chips &lt;3 &#8364;5", "Fish & chips <3 €5"),
        ("a < b and c > d", "a < b and c > d"),
        ('<a title="x > y">link</a>', "link"),
        ("<a title='broken>link</a>", "link"),
        ("<script>if (a < b) x()</script>seen", "seen"),
        ("<SCRIPT>x()</SCRIPT >seen<script>never closed", "seen"),
        ("<style>p {}</style>seen<!-- not <p>this</p> -->too", "seentoo"),
        ("<!doctype html><?xml x?><ul><li>One</li><li>Two</li></ul>", "One\n\nTwo"),
        ("<![CDATA[gone]]>kept<!-- never closed", "kept"),
        ("one&nbsp;two&#x202e;three&#0;", "one twothree\ufffd"),
        ("<body.content><p>NITF</p></body.content>", "NITF"),
        ("", ""),
    ],
)
def test_html_reads_as(html: str, text: str) -> None:
    """Blocks part paragraphs, scripts and comments vanish, entities become characters."""
    assert html_to_text(html) == text


@given(st.text(alphabet="<>/!-&;#\"'= abpscriptbr\n\f\v\x00"))
def test_any_html_gives_clean_text(html: str) -> None:
    """However broken, it ends, and what comes out may stand in a story."""
    text = html_to_text(html)
    assert forbidden_character(text) is None
    assert text == text.strip()


@given(st.text())
def test_cleaning_leaves_nothing_forbidden(text: str) -> None:
    """What was cleaned once needs no second look."""
    assert forbidden_character(without_forbidden(text)) is None


@given(st.text())
def test_comparing_twice_changes_nothing(text: str) -> None:
    """The comparable form is its own comparable form, so it may be stored."""
    assert comparable(comparable(text)) == comparable(text)
