"""What becomes of feeds: sound ones, damaged ones and hostile ones."""

import json
from datetime import UTC, datetime

import pytest

from services.ingest import feeds
from services.ingest.parsed import Parsed, TooLarge, Unparsable
from tests.services.ingest.judges import assert_valid

LONG = "<p>" + "The harbour of Orrin froze over in the night, for the first time in forty years. " * 10 + "</p>"
RSS = f"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>The Orrin Ledger</title><link>https://ledger.example/</link><description>News</description>
<item><title>Harbour freezes &amp;amp; ships wait</title><link>https://ledger.example/1</link>
<guid isPermaLink="false">ledger-1</guid><pubDate>Mon, 12 Jan 2026 08:30:00 +0200</pubDate>
<dc:creator>Ilse Marrow</dc:creator>
<category domain="https://ledger.example/sections/">Harbour</category><category>Weather</category>
<description>Ships wait.</description>
<content:encoded><![CDATA[{LONG}<script>track()</script>]]></content:encoded></item>
<item><title>Second story</title><link>https://ledger.example/2</link><description>Only a line.</description></item>
</channel></rss>"""
ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Ledger</title><id>urn:example:feed</id>
<updated>2026-01-12T09:00:00Z</updated>
<entry><id>urn:example:entry:1</id><title>Harbour freezes</title><link href="https://ledger.example/1"/>
<published>2026-01-12T08:30:00+02:00</published><updated>2026-01-12T09:00:00Z</updated>
<content type="html">{LONG.replace("<", "&lt;")}</content></entry></feed>"""
JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Ledger",
        "items": [
            {
                "id": "1",
                "title": "Harbour freezes",
                "content_html": LONG,
                "date_published": "2026-01-12T08:30:00+02:00",
                "tags": ["Harbour"],
            }
        ],
    }
)


def only(feed: str) -> Parsed:
    """The first story of `feed`."""
    return feeds.parse(feed.encode())[0]


def test_an_rss_item_becomes_a_story_with_all_its_parts() -> None:
    """Title, text, author, time, categories and guid are kept where ninjs has a place for them."""
    story = only(RSS)
    assert story.source_item_id == "ledger-1"
    assert story.published_at == datetime(2026, 1, 12, 6, 30, tzinfo=UTC)
    assert story.section == "Harbour"
    assert story.story["headlines"][0]["value"] == "Harbour freezes & ships wait"
    assert story.story["by"] == "Ilse Marrow"
    assert [(subject["literal"], subject.get("rel")) for subject in story.story["subjects"]] == [
        ("Harbour", "section"),
        ("Weather", None),
    ]
    assert story.story["infoSources"][0]["name"] == "The Orrin Ledger"


def test_content_is_kept_as_given_beside_its_plain_text() -> None:
    """Sanitising comes later, in one place; the plain text never holds a script."""
    text, html = only(RSS).story["bodies"]
    assert html["value"] == f"{LONG}<script>track()</script>"
    assert text["value"].startswith("The harbour of Orrin froze over")
    assert "track" not in text["value"]


def test_an_item_without_guid_goes_by_its_link() -> None:
    """Something of the source's own must name the item."""
    assert feeds.parse(RSS.encode())[1].source_item_id == "https://ledger.example/2"


def test_a_short_item_is_labelled_truncated() -> None:
    """The page may hold more than the feed tells."""
    long, short = feeds.parse(RSS.encode())
    assert feeds.TRUNCATED not in long.labels
    assert feeds.TRUNCATED in short.labels


def test_content_that_only_repeats_the_summary_is_truncated() -> None:
    """Many feeds send the summary twice."""
    assert feeds.TRUNCATED in only(RSS.replace("Ships wait.", LONG.replace("<", "&lt;"))).labels


def test_an_update_keeps_the_time_of_first_publication() -> None:
    """Identity and age go by the first, versions by the second."""
    story = only(ATOM).story
    assert (story["firstCreated"], story["versionCreated"]) == ("2026-01-12T06:30:00Z", "2026-01-12T09:00:00Z")


@pytest.mark.parametrize("feed", [RSS, ATOM, JSON_FEED], ids=["rss", "atom", "json"])
def test_every_kind_of_feed_gives_valid_ninjs(feed: str) -> None:
    """What leaves this parser needs an id and nothing else."""
    stories = feeds.parse(feed.encode())
    assert stories[0].story["headlines"][0]["value"].startswith("Harbour freezes")
    for story in stories:
        assert_valid(story.story)


@pytest.mark.parametrize(
    "damaged",
    [
        RSS[: RSS.index("<item><title>Second")],
        RSS.replace("Ships wait.", "Ships & boats wait."),
        RSS.replace("Ships wait.", "Ships\x07 wait."),
        "\n\n" + RSS,
        RSS.replace("<dc:creator>Ilse Marrow</dc:creator>", "<media:credit>x</media:credit>"),
    ],
    ids=["cut off", "bare ampersand", "control character", "blank lines first", "undeclared namespace"],
)
def test_damage_costs_no_story(damaged: str) -> None:
    """Feeds are written by hand and cut by networks; what can be read is read."""
    assert only(damaged).source_item_id == "ledger-1"


def test_bytes_under_a_wrong_label_are_read() -> None:
    """A Latin-1 feed that calls itself UTF-8 still has its first story."""
    assert feeds.parse(RSS.replace("Marrow", "Märrow").encode("latin-1"))[0].source_item_id == "ledger-1"


def test_control_and_bidi_characters_are_taken_out() -> None:
    """Nobody reads a refusal sent to a feed, so it is cleaned and labelled."""
    story = only(JSON_FEED.replace("Harbour freezes", "Harbour \\u202efreezes\\u0000"))
    assert story.story["headlines"][0]["value"] == "Harbour freezes"
    assert "bidi-controls-removed" in story.labels


def test_no_file_is_read_and_no_entity_grows(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A document type may name files and multiply itself; neither happens."""
    secret = tmp_path_factory.mktemp("secret") / "key.txt"
    secret.write_text("do-not-read")
    doctype = f"<!DOCTYPE rss [<!ENTITY f SYSTEM '{secret.as_uri()}'><!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {after} '{f'&{before};' * 10}'>" for before, after in zip("abcdefghi", "bcdefghij", strict=True)
    )
    hostile = RSS.replace("<rss", f"{doctype.replace('<!ENTITY f', '<!ENTITY file', 1)}]><rss", 1)
    for reference in ("&file;", "&j;"):
        try:
            stories = feeds.parse(hostile.replace("Second story", reference).encode())
        except Unparsable:
            continue
        text = json.dumps([story.story for story in stories])
        assert "do-not-read" not in text
        assert len(text) < 1_000_000


def test_an_endless_entry_does_not_stop_the_feed() -> None:
    """One entry over the limit loses its content, is labelled, and the others go on."""
    first, second = feeds.parse(RSS.replace(LONG, "<p>" + "x " * 200_000 + "</p>").encode())
    assert feeds.CONTENT_DROPPED in first.labels
    assert first.story["bodies"][0]["value"] == "Ships wait."
    assert second.source_item_id == "https://ledger.example/2"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>No feed</body></html>",
        b"{}",
        b"https://feeds.example/rss",
        b'<rss version="2.0"><channel><title>t</title></channel></rss>',
        b'<rss version="2.0"><channel><item></item></channel></rss>',
    ],
)
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    """The refusal is ours, whatever the parsers raise; an address in the body is not fetched."""
    with pytest.raises(Unparsable):
        feeds.parse(body)


def test_size_is_bounded() -> None:
    """By bytes and by entries."""
    with pytest.raises(TooLarge):
        feeds.parse(b" " * (feeds.MAX_FEED_BYTES + 1))
    many = "<item><title>x</title></item>" * (feeds.MAX_ENTRIES + 1)
    with pytest.raises(Unparsable, match="at most 5000"):
        feeds.parse(f'<rss version="2.0"><channel>{many}</channel></rss>'.encode())
