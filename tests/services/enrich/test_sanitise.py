"""Nothing that runs in a browser survives sanitising, and nothing else is lost."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enrich.markup import clean_html, html_of_text, is_active, strip_active, text_of_html
from services.enrich.sanitise import ACTIVE_REMOVED, escaped, sanitised
from shared.domain.story import plain_body_of
from tests.services.enrich.samples import body_of, filed

ATTACKS = [
    "<script>attack()</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script></script>ipt>attack()</script>",
    "<img src=x onerror=attack()>",
    '<img alt=">" src=x onerror="attack()">',
    '<img alt="<" src=x onerror=attack()>',
    '<img src=x" onerror=attack()>',
    "<svg/onload=attack()>",
    "<svg><animate onbegin=attack() attributeName=x>",
    "<math><mtext><style><img src=x onerror=attack()></style></mtext></math>",
    '<a href="javascript:attack()">here</a>',
    '<a href="java\tscript:attack()">here</a>',
    '<a href="&#106;avascript:attack()">here</a>',
    '<a href="data:text/html,<script>attack()</script>">here</a>',
    "<iframe src=https://evil.example></iframe>",
    "<object data=attack.swf></object><embed src=attack.swf>",
    "<form action=https://evil.example><button>go</button></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<noscript><p title='</noscript><img src=x onerror=attack()>'></noscript>",
    "<body onload=attack()>",
    "<details open ontoggle=attack()>",
    "<p/onclick=attack()>text</p>",
]


class _Live(HTMLParser):
    """Reads HTML as a browser would and remembers what could act."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {
            "script",
            "style",
            "iframe",
            "object",
            "embed",
            "form",
            "svg",
            "math",
            "meta",
            "base",
            "link",
            "img",
        }:
            self.found.append(tag)
        for name, value in attrs:
            bare = "".join((value or "").split()).lower()
            if name.startswith("on") or bare.startswith(("javascript:", "vbscript:", "data:")):
                self.found.append(f"{tag} {name}")


def live(html: str) -> list[str]:
    """List what in `html` could act."""
    parser = _Live()
    parser.feed(html)
    parser.close()
    return parser.found


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/xhtml+xml", "application/nitf+xml"])
def test_an_attack_leaves_nothing_live_and_a_label(attack: str, content_type: str) -> None:
    """Whatever a body is filed as, a reader that shows any of its forms as HTML runs nothing."""
    story, labels = sanitised(filed(f"Before.\n\n{attack}\n\nAfter.", content_type=content_type))
    assert all(live(body["value"]) == [] for body in story["bodies"])
    assert labels == {ACTIVE_REMOVED}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_a_headline_is_removed(attack: str) -> None:
    """Headlines travel into pages, feeds and mails as text that somebody may forget to escape."""
    story, labels = sanitised(filed(headlines=[{"value": f"Rates rise {attack}"}], slugline=f"RATES {attack}"))
    assert live(story["headlines"][0]["value"]) == []
    assert live(story["slugline"]) == []
    assert labels == {ACTIVE_REMOVED}


def test_a_script_in_a_text_goes_with_its_content() -> None:
    """A dump of a page may hold the page's scripts; their code is no copy."""
    story, _ = sanitised(filed("Rates rise.\n\n<script>var tracker = 1;</script>\n\nBanks react."))
    assert plain_body_of(story) == "Rates rise.\n\n\n\nBanks react."


@pytest.mark.parametrize(
    "text",
    [
        "Rates rose by < 5 % and > 2 %, i.e. 2 < x < 5.",
        "Use <b> for bold & <i> for italic.",
        "JavaScript: a language's long story. Set on = 1.",
        "Der Satz kostet 5 € – „mehr“ als früher.",
    ],
)
def test_text_stays_text(text: str) -> None:
    """Angle brackets and ampersands are copy; only what acts is taken out."""
    story, labels = sanitised(filed(text))
    assert plain_body_of(story) == text
    assert labels == frozenset()


def test_text_becomes_paragraphs() -> None:
    """A body filed as text is offered as HTML too, every character of it escaped."""
    story, _ = sanitised(filed("First & last.\n\nA <b> line\nand its next."))
    assert body_of(story, "text/html") == "<p>First &amp; last.</p>\n<p>A &lt;b&gt; line<br>and its next.</p>"


def test_html_becomes_text() -> None:
    """A body filed as HTML is offered as text too, blocks apart by an empty line."""
    story, labels = sanitised(
        filed(
            "<h2>Rates</h2><p>Rates <em>rose</em> &amp; fell.</p><ul><li>one</li><li>two</li></ul>",
            content_type="text/html",
        )
    )
    assert body_of(story, "text/plain") == "Rates\n\nRates rose & fell.\n\none\n\ntwo"
    assert labels == frozenset()


def test_the_body_made_from_the_other_says_so() -> None:
    """Only what was filed is content; the derived body is told by its role."""
    story, _ = sanitised(filed("Rates rise."))
    assert [body.get("role") for body in story["bodies"]] == [None, "derived"]


def test_a_derived_body_is_made_anew() -> None:
    """A source cannot pass a second text along under the role of a derived body."""
    bodies = [
        {"contentType": "text/plain", "value": "Rates rise."},
        {"role": "derived", "contentType": "text/html", "value": "<p>Buy now.</p>"},
    ]
    story, _ = sanitised(filed(bodies=bodies))
    assert body_of(story, "text/html") == "<p>Rates rise.</p>"


def test_escaped_script_text_is_not_revived_by_derivation() -> None:
    """References that HTML shows as text must not come out of the derived text as a live element."""
    story, _ = sanitised(filed("<p>&lt;script&gt;attack()&lt;/script&gt; is shown</p>", content_type="text/html"))
    assert live(body_of(story, "text/plain")) == []


def test_a_link_that_runs_code_is_removed_wherever_it_stands() -> None:
    """A rendition's address is followed by readers as much as one in the body."""
    renditions = [{"name": "web", "href": "javascript:attack()"}, {"name": "main", "href": "https://example.org/a.jpg"}]
    story, labels = sanitised(filed(renditions=renditions))
    assert story["renditions"] == [{"name": "web"}, {"name": "main", "href": "https://example.org/a.jpg"}]
    assert labels == {ACTIVE_REMOVED}


def test_an_associated_story_is_cleaned_too() -> None:
    """Associations are whole stories and are shown as such."""
    inner = {"uri": "urn:example:desk:2", "name": "side", "bodies": [{"contentType": "text/html", "value": ATTACKS[0]}]}
    story, labels = sanitised(filed(associations=[inner]))
    assert story["associations"][0]["bodies"][0]["value"] == ""
    assert labels == {ACTIVE_REMOVED}


def test_what_was_filed_is_left_as_it_is() -> None:
    """The caller's object is evidence of what was filed."""
    story = filed(ATTACKS[0])
    before = repr(story)
    sanitised(story)
    assert repr(story) == before


def test_control_characters_and_half_surrogates_do_not_travel() -> None:
    """No JSON or XML reader downstream should choke on what a broken feed sent."""
    story, _ = sanitised(filed("Ra\x00tes\ud800 rise\r\nnow.\x1b"))
    assert plain_body_of(story) == "Rates\ufffd rise\nnow."


def test_a_body_says_its_type_in_one_way() -> None:
    """Readers compare media types as strings; a charset means nothing inside JSON."""
    story, _ = sanitised(filed("Rates rise.", content_type="Text/Plain; charset=utf-8"))
    assert plain_body_of(story) == "Rates rise."


def test_counts_are_taken_again_where_a_body_changed() -> None:
    """A word count that no longer fits its body misleads page planners."""
    body = {"contentType": "text/plain", "value": "Rates rise.<script>x</script>", "wordCount": 9, "charCount": 99}
    story, _ = sanitised(filed(bodies=[body]))
    assert (story["bodies"][0]["wordCount"], story["bodies"][0]["charCount"]) == (2, 11)


@pytest.mark.parametrize("html", ["<div>" * 1_000, "<p>x" * 30_000])
def test_markup_that_no_article_has_is_refused(html: str) -> None:
    """Depth costs the parser more than its length: such a body is shown as text instead."""
    with pytest.raises(ValueError, match="tags"):
        clean_html(html)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_way_out_shows_markup_as_text(attack: str) -> None:
    """Where cleaning fails nothing is lost and nothing is live."""
    story = escaped(filed(f"<p>Kept.</p>{attack}", content_type="text/html"))
    assert all(live(body["value"]) == [] for body in story["bodies"])
    assert "Kept." in plain_body_of(story)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("<>/ap =\"'onscriptjavx:&#;\n "), max_size=120))
def test_no_combination_of_markup_characters_stays_live(text: str) -> None:
    """Both ways of cleaning end where nothing more is found, whatever the pieces."""
    assert live(clean_html(text)) == []
    assert not is_active(strip_active(text))
    assert strip_active(strip_active(text)) == strip_active(text)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_words_survive_the_way_through_html(text: str) -> None:
    """Text made HTML and read back has the same words in the same order."""
    story, _ = sanitised(filed(text))
    kept = plain_body_of(story)
    assert text_of_html(clean_html(html_of_text(kept))).split() == kept.split()


@settings(deadline=None)
@given(st.text(max_size=200), st.sampled_from(["text/plain", "text/html"]))
def test_sanitising_again_changes_nothing(text: str, content_type: str) -> None:
    """A story that comes back as a new version is not worn down."""
    once, _ = sanitised(filed(text, content_type=content_type))
    twice, labels = sanitised(once)
    assert twice == once
    assert labels == frozenset()
