"""Dumps at the edge: bare stories, flashes, damaged bytes, and pages without a story."""

import pytest

from services.ingest import dump
from services.ingest.parsed import MAX_CONTENT_BYTES, Parsed, TooLarge, Unparsable

FURNITURE = "Daily Example\n  • Home\n  • World\nLog in\nSearch\n"
PARAGRAPH = (
    "The council of the little town met for six hours on Monday and agreed on nothing but the date of its next meeting."
)


def parsed(text: str) -> Parsed:
    return dump.parse(text.encode())


def headline(story: Parsed) -> str:
    value: str = story.story["headlines"][0]["value"]
    return value


def body(story: Parsed) -> str:
    value: str = story.story["bodies"][0]["value"]
    return value


def refused(body: bytes) -> tuple[int | None, str]:
    with pytest.raises(Unparsable) as refusal:
        dump.parse(body)
    return refusal.value.errors[0].line, refusal.value.errors[0].message


def test_a_bare_story_is_headline_then_paragraphs() -> None:
    """What a person types needs no furniture, and short paragraphs belong to it."""
    story = parsed(f"Mayor quits\n\nBy Ann Lee\n3 March 2024\n\nIt is over.\n\n{PARAGRAPH}\n\nNobody wept.\n")
    assert headline(story) == "Mayor quits"
    assert story.story["by"] == "Ann Lee"
    assert story.story["contentCreated"] == "2024-03-03T00:00:00.000Z"
    assert body(story) == f"It is over.\n\n{PARAGRAPH}\n\nNobody wept."


def test_a_date_in_the_text_of_a_bare_story_is_not_its_own() -> None:
    """Only a date line or a dateline dates a story."""
    assert parsed(f"Mill turns ninety\n\nIt opened on 3 March 1934.\n\n{PARAGRAPH}").published_at is None


def test_a_table_at_the_end_of_a_bare_story_is_kept() -> None:
    """Where nothing but the story was sent, nothing of it is left out."""
    story = parsed(f"Orrin wins the cup\n\n{PARAGRAPH}\n\nOrrin 3\nSarn 1\n")
    assert body(story) == f"{PARAGRAPH}\n\nOrrin 3\n\nSarn 1"


def test_one_line_is_a_flash() -> None:
    """A flash is its own headline."""
    story = parsed("FLASH - Sarn viaduct closed to lorries")
    assert headline(story) == body(story) == "FLASH - Sarn viaduct closed to lorries"


def test_a_flash_on_a_page_is_found_below_its_headline() -> None:
    """One short sentence is a story too, but an uncertain one."""
    story = parsed(
        f"{FURNITURE}Bridge closed at Sarn\nBy Owen Castell\nThe Sarn viaduct is closed.\nShare\n© Daily Example"
    )
    assert headline(story) == "Bridge closed at Sarn"
    assert body(story) == "The Sarn viaduct is closed."


def test_the_foot_of_the_page_does_not_outweigh_a_short_story() -> None:
    """What a site says of itself comes after a signpost, and counts for little."""
    story = parsed(
        f"{FURNITURE}Council meets in vain again\n{PARAGRAPH}\nAbout us\n{PARAGRAPH} {PARAGRAPH}\n{PARAGRAPH}"
    )
    assert body(story) == PARAGRAPH


@pytest.mark.parametrize("mark", ["", "."])
def test_a_standfirst_is_neither_headline_nor_text(mark: str) -> None:
    """It stands between the headline and the byline, with or without a full stop."""
    standfirst = f"Farmers threaten to go to court before the summer begins, as they were never asked{mark}"
    story = parsed(
        f"{FURNITURE}Council raises the river banks\n{standfirst}\nBy Jo Marsh\n2 May 2024\n{PARAGRAPH}\nShare"
    )
    assert headline(story) == "Council raises the river banks"
    assert (story.story["by"], body(story)) == ("Jo Marsh", PARAGRAPH)


def test_a_short_quote_below_the_byline_opens_the_text() -> None:
    """A first sentence of five words is copy, though it scores like furniture."""
    quote = "“We are done,” said the chair."
    story = parsed(f"{FURNITURE}Council raises the river banks\nBy Jo Marsh\n2 May 2024\n{quote}\n{PARAGRAPH}\nShare")
    assert headline(story) == "Council raises the river banks"
    assert body(story) == f"{quote}\n\n{PARAGRAPH}"


def test_the_name_of_the_site_is_no_headline() -> None:
    """Even a long one, right above the headline of a page without a menu."""
    story = parsed(
        f"The Daily News of Orrin\nCouncil raises the river banks after four years\nBy Jo Marsh\n{PARAGRAPH}\nShare"
    )
    assert headline(story) == "Council raises the river banks after four years"


@pytest.mark.parametrize(
    "title",
    [
        "By popular demand the ferry returns to Calder",
        "Home Secretary resigns over a lost letter",
        "Home prices fall for a third month in Orrin",
        "Comments on budget anger the minister again",
        "Von der Leyen warns of a hard winter",
        "Minister quits, says newspaper editor",
        "Share of wind power passes a half for the first time",
    ],
)
def test_headlines_that_look_like_furniture_are_headlines(title: str) -> None:
    """The words that open a byline, a breadcrumb or a button open headlines too."""
    assert headline(parsed(f"{FURNITURE}Home > World\n{title}\n{PARAGRAPH}\n{PARAGRAPH}")) == title


@pytest.mark.parametrize(
    ("line", "author"),
    [
        ("By Ann Lee", "Ann Lee"),
        ("BY ANN LEE AND BO OKORO", "ANN LEE AND BO OKORO"),
        ("Posted by Ann Lee on July 6, 2021", "Ann Lee"),
        ("By Ann Lee | July 6, 2021", "Ann Lee"),
        ("Von Anna van Berg", "Anna van Berg"),
        ("Daily Example by Ann Lee", "Ann Lee"),
        ("Ann Lee, science correspondent", "Ann Lee"),
        ("*By Ann Lee, 2 May 2024*", "Ann Lee"),
        ("作者：林溪", "林溪"),
        ("Автор: Анна Ли", "Анна Ли"),
    ],
)
def test_bylines_of_many_forms_name_the_author(line: str, author: str) -> None:
    """Only the name is kept."""
    assert parsed(f"{FURNITURE}Council meets in vain again\n{line}\n{PARAGRAPH}").story["by"] == author


def test_a_headline_right_above_its_text_is_not_taken_for_a_broken_line() -> None:
    """Both are about as long as a line of a fixed width, but the text begins with a capital."""
    first = "The Sarn viaduct is closed to lorries from Sunday, the ministry said on Friday."
    story = parsed(
        f"{FURNITURE}Sarn viaduct closed to all lorries after divers found cracks\n{first}\n{PARAGRAPH}\nShare"
    )
    assert headline(story) == "Sarn viaduct closed to all lorries after divers found cracks"
    assert body(story) == f"{first}\n\n{PARAGRAPH}"


def test_short_paragraphs_on_following_lines_stay_apart() -> None:
    """A line that ends as a sentence is a paragraph unless its neighbours show that it was broken."""
    lines = [
        "The brewery stays closed until the end of next month.",
        "The owner said that he was sorry about all of it.",
    ]
    assert body(parsed(f"Brewery closes for a month\n\n{lines[0]}\n{lines[1]}\n")) == "\n\n".join(lines)


def test_a_text_that_hardly_stands_out_is_labelled() -> None:
    """A human should look where most of the page could be the story."""
    about = "\n".join(f"About us\n{PARAGRAPH}" for _ in range(9))
    story = parsed(f"{FURNITURE}Council meets\n{PARAGRAPH}\n{about}")
    assert story.confidence < dump.SURE_FROM
    assert dump.LOW_CONFIDENCE in story.labels


def test_a_row_of_buttons_inside_the_text_is_left_out() -> None:
    """Share buttons between paragraphs are no copy, however many they are, and the text goes on behind them."""
    long = f"{PARAGRAPH} {PARAGRAPH}"
    story = parsed(f"{FURNITURE}Council meets in vain again\n{long}\nShare this\nTweet\nPrint\n{long}")
    assert body(story) == f"{long}\n\n{long}"


def test_an_advertisement_before_the_last_words_does_not_cut_them_off() -> None:
    """A story goes on behind an advertisement, even if only a few words are left."""
    story = parsed(f"{FURNITURE}Council meets in vain again\n{PARAGRAPH}\nAdvertisement\n{PARAGRAPH}\nShare")
    assert body(story) == f"{PARAGRAPH}\n\n{PARAGRAPH}"


def test_letters_are_never_normalised() -> None:
    """NFC would rewrite this Devanagari letter, and the text would no longer hash to what was filed."""
    precomposed = "सड़क \u0958लम पर बैठक हुई और सब लोग देर रात तक वहीं रुके रहे।"
    assert body(parsed(f"गाँव में बैठक हुई\n\n{precomposed}")) == precomposed


def test_bidi_controls_are_taken_out_and_told() -> None:
    """A line must not read differently from what it says."""
    story = parsed(f"Council \u202emeets\u202c in vain again\n\n{PARAGRAPH}")
    assert headline(story) == "Council meets in vain again"
    assert "bidi-controls-removed" in story.labels


@pytest.mark.parametrize(
    ("dumped", "line", "words"),
    [
        (b"", None, "empty"),
        (b"\xef\xbb\xbf \r\n", None, "nothing is left"),
        (b"Headline\n\nBad \xff byte", 3, "not UTF-8"),
        (b"Headline\n\nBad \x00 byte", 3, "U+0000"),
        (b"Headline\r\n\r\nBad \x1b byte", 3, "U+001B"),
        (b"<script>x()</script>", None, "nothing is left"),
        (FURNITURE.encode(), 1, "nothing here reads like a story"),
        (PARAGRAPH.encode() * 10, 1, "no headline"),
        (f"{PARAGRAPH}\n• one\n".encode(), 1, "no headline"),
    ],
)
def test_what_is_no_story_says_where_and_why(dumped: bytes, line: int | None, words: str) -> None:
    """A refusal names the line and what to send instead."""
    found_line, message = refused(dumped)
    assert words in message
    assert found_line == line


def test_size_is_bounded() -> None:
    """Neither the dump nor the story in it may be endless."""
    with pytest.raises(TooLarge):
        dump.parse(b"a " * dump.MAX_DUMP_BYTES)
    with pytest.raises(TooLarge) as refusal:
        parsed("Council meets in vain again\n\n" + f"{PARAGRAPH}\n" * (MAX_CONTENT_BYTES // len(PARAGRAPH) + 1))
    assert refusal.value.limit == MAX_CONTENT_BYTES
    assert "lines" in refused(b"x\n" * (dump.MAX_DUMP_LINES + 1))[1]
