"""Whatever is sent, only a story or a named refusal comes out."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest import dump, feeds, ninjs
from services.ingest.ninjs_shape import ITEM
from services.ingest.parsed import MAX_CONTENT_BYTES, Parsed, TooLarge, Unparsable, content_size
from tests.services.ingest.judges import assert_valid

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "uri", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_ITEMS = st.dictionaries(st.sampled_from([*sorted(ITEM.fields), "x"]), _JSON, max_size=5)
_LINES = st.sampled_from(
    [
        "",
        "Home > World",
        "  • Home",
        "By Ann Lee",
        "by by by",
        "July 6, 2021",
        "Share",
        "Comments",
        "<script>",
        "</b>",
        "A headline of a few words",
        "The council met for six long hours on Monday and agreed on nothing at all.",
        "短い。",
        "a line that was broken by a program at about sixty chars and",
        "Site by Site",
        "Title here of page | Site",
        "\u202e",
    ]
)
_FEED_PARTS = st.sampled_from(
    [
        "<rss>",
        "<channel>",
        "<item>",
        "</item>",
        "<title>a</title>",
        "<link>",
        "<guid>1</guid>",
        "<category>",
        "&",
        "]]>",
        "<![CDATA[",
        "<feed xmlns='http://www.w3.org/2005/Atom'>",
        "<entry>",
        "</entry>",
        "<content type='xhtml'>",
        "<p>",
        "<pubDate>x</pubDate>",
        '{"version":"https://jsonfeed.org/version/1",',
        '"items":[{"id":1,"title":[],"tags":{}}]}',
    ]
)


def _outcome(parse: Callable[[bytes], Any], body: bytes) -> Any:
    """The story or stories of `body`, or None for a refusal that says something."""
    try:
        return parse(body)
    except (Unparsable, TooLarge) as refusal:
        _must_tell_why(refusal)
        return None


def _must_tell_why(refusal: Unparsable | TooLarge) -> None:
    if isinstance(refusal, TooLarge):
        assert refusal.size > refusal.limit
    else:
        assert refusal.errors
        assert all(error.message for error in refusal.errors)


def _as_item(html: str) -> str:
    return json.dumps({"headlines": [{"value": "x"}], "bodies": [{"contentType": "text/html", "value": html}]})


def _as_dump(text: str) -> str:
    return f"A headline of words\n\n{text} ends here."


def _as_feed(html: str) -> str:
    item = f"<item><title>x</title><description><![CDATA[{html}]]></description></item>"
    return f'<rss version="2.0"><channel>{item}</channel></rss>'


@pytest.mark.parametrize("parse", [ninjs.parse, dump.parse, feeds.parse])
@given(body=st.binary())
def test_any_bytes_end_in_a_story_or_a_refusal(parse: Callable[[bytes], Any], body: bytes) -> None:
    """Nothing else ever leaves a parser."""
    _outcome(parse, body)


@given(body=st.text())
def test_any_text_ends_in_a_valid_story_or_a_refusal(body: str) -> None:
    """A dump may hold any character there is."""
    story = _outcome(dump.parse, body.encode(errors="surrogatepass"))
    if story:
        assert_valid(story.story)


@given(item=_ITEMS)
def test_any_item_ends_in_a_valid_story_or_a_refusal(item: dict[str, Any]) -> None:
    """Right keys with wrong values are the commonest fault."""
    story = _outcome(ninjs.parse, json.dumps(item).encode())
    if story:
        assert_valid(story.story)


@given(lines=st.lists(_LINES, max_size=40))
def test_any_order_of_furniture_ends_in_a_valid_story_or_a_refusal(lines: list[str]) -> None:
    """Pages put their parts in every order; no order may break the reader."""
    story: Parsed | None = _outcome(dump.parse, "\n".join(lines).encode())
    if story:
        assert_valid(story.story)
        assert story.story["bodies"][0]["value"].strip()
        assert 0 <= story.confidence <= 1


@given(parts=st.lists(_FEED_PARTS, max_size=15))
def test_any_feed_ends_in_valid_stories_or_a_refusal(parts: list[str]) -> None:
    """Feeds are cut, nested and mixed."""
    for story in _outcome(feeds.parse, "".join(parts).encode()) or ():
        assert_valid(story.story)


@pytest.mark.parametrize(
    "unit", ["<", "<a ", "<a '\"", "<!--", "<div>", "&amp", "<script>", "by ", "Home > ", "2021-", "ﷺ"]
)
@pytest.mark.parametrize(
    ("parse", "wrapped"), [(ninjs.parse, _as_item), (dump.parse, _as_dump), (feeds.parse, _as_feed)]
)
def test_much_of_anything_is_answered(parse: Callable[[bytes], Any], wrapped: Callable[[str], str], unit: str) -> None:
    """Ten bare megabytes, and 100 kB where text belongs: a scan that went back and forth would outlast the timeout."""
    _outcome(parse, (unit * (10 * 2**20 // len(unit.encode()))).encode())
    found = _outcome(parse, wrapped(unit * (100_000 // len(unit.encode()))).encode())
    for story in found if isinstance(found, tuple) else (found,):
        assert story is None or content_size(story.story) <= MAX_CONTENT_BYTES
