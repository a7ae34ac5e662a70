"""What story does the text dump of a web page, or a bare text story, hold?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from services.ingest.cleaning import BIDI_CONTROLS_REMOVED, forbidden_character, one_line, without_bidi_controls
from services.ingest.dump_block import Block, find_block, wrapped_paragraphs
from services.ingest.dump_byline import is_meta
from services.ingest.dump_head import Head, read_head
from services.ingest.dump_lines import Line, line_of
from services.ingest.dump_markup import MARKUP_REMOVED, without_markup
from services.ingest.json_reading import decoded
from services.ingest.parsed import (
    NINJS_3_1,
    SECTION_REL,
    FieldError,
    Parsed,
    TooLarge,
    Unparsable,
    refuse_oversize,
)

MAX_DUMP_BYTES: Final = 2 * 1024 * 1024
MAX_DUMP_LINES: Final = 20_000
LOW_CONFIDENCE: Final = "low-confidence-extraction"
SURE_FROM: Final = 0.6
"""Below this confidence the parts may be wrong, and a human should look."""

_ENOUGH_WORDS: Final = 60


def parse(body: bytes) -> Parsed:
    """Read a text/plain dump of one story page, or a story typed as headline, blank line, paragraphs.

    UTF-8, with or without byte order mark, any line ends. The text/plain body is exactly this: the non-blank lines of
    the body's block, in order, each without spaces at its ends, furniture lines left out, joined by one blank line
    (`\\n\\n`); the lines of a paragraph broken at a fixed width (45 to 100 characters) are joined by one space. No
    character is changed or normalised but for what a label tells: bidi controls and markup are taken out first.

    `contentCreated` and `versionCreated` are the page's own date, at midnight UTC if it gives no time with a zone;
    both are absent if the page has no full date.

    Raises Unparsable (with the line, counted from 1) or TooLarge.
    """
    text, labels = _cleaned(body)
    lines = _lines(text)
    block = find_block(lines)
    head = read_head(lines, block) if block else None
    if block is None or head is None:
        raise Unparsable(_no_story(lines, block))
    confidence = _confidence(lines, block, head)
    if confidence < SURE_FROM:
        labels += (LOW_CONFIDENCE,)
    story = _story(head, "\n\n".join(_paragraphs(lines, block, head)))
    refuse_oversize(story)
    return Parsed(
        story=story, section=head.section, published_at=head.published_at, confidence=confidence, labels=labels
    )


def _cleaned(body: bytes) -> tuple[str, tuple[str, ...]]:
    if len(body) > MAX_DUMP_BYTES:
        raise TooLarge("the text dump", len(body), MAX_DUMP_BYTES)
    raw = decoded(body).replace("\r\n", "\n").replace("\r", "\n")
    if found := forbidden_character(raw):
        line = raw.count("\n", 0, found[0]) + 1
        said = (
            f"line {line} holds the control character {found[1]}; this is no plain text, or it was damaged on its way"
        )
        raise Unparsable(FieldError(None, line, said))
    visible = without_bidi_controls(raw)
    text = without_markup(visible)
    labels = ((BIDI_CONTROLS_REMOVED,) if visible != raw else ()) + ((MARKUP_REMOVED,) if text != visible else ())
    return text, labels


def _lines(text: str) -> list[Line]:
    lines: list[Line] = []
    after_blank = True
    for number, raw in enumerate(text.split("\n"), 1):
        if raw.strip():
            if len(lines) == MAX_DUMP_LINES:
                said = f"the dump has more than {MAX_DUMP_LINES} lines with text; send one story page"
                raise Unparsable(FieldError(None, number, said))
            lines.append(line_of(number, raw, after_blank))
        after_blank = not raw.strip()
    return lines


def _no_story(lines: Sequence[Line], block: Block | None) -> FieldError:
    if block is not None:
        said = "no headline stands above the text that starts here; put one of at most 400 characters on its own line"
        return FieldError(None, lines[block.start].number, said)
    if not lines:
        return FieldError(None, None, "nothing is left but markup and spaces; send the text of the story")
    longest = max(lines, key=lambda line: line.words)
    said = (
        "nothing here reads like a story: send a headline and at least one sentence of text; "
        f"the longest line, {longest.number}, has {longest.words} words and "
        f"{'is furniture of the page' if longest.is_furniture else 'does not end as a sentence or is too short'}"
    )
    return FieldError(None, longest.number, said)


def _paragraphs(lines: Sequence[Line], block: Block, head: Head) -> list[str]:
    start, stop = _text_bounds(lines, block, head)
    joined = {index for first, last in wrapped_paragraphs(lines) for index in range(max(first, start) + 1, last + 1)}
    paragraphs: list[str] = []
    for index in range(start, stop):
        if index in joined:
            paragraphs[-1] += " " + lines[index].text
        elif not lines[index].is_furniture:
            paragraphs.append(lines[index].text)
    return paragraphs


def _text_bounds(lines: Sequence[Line], block: Block, head: Head) -> tuple[int, int]:
    """Where the text begins and ends; in a bare story it is all below headline, byline and date."""
    if not block.plain or len(lines) == 1:
        return block.start, block.stop
    below = range(head.headline_index + 1, min(block.start, len(lines) - 1))
    start = max((index for index in below if is_meta(lines[index].text)), default=head.headline_index) + 1
    return start, len(lines)


def _confidence(lines: Sequence[Line], block: Block, head: Head) -> float:
    """Half for how far the text stands out of the page, a third for the headline, the rest for length."""
    words = sum(line.words for line in lines[block.start : block.stop])
    return round(0.5 * block.dominance + 0.3 * head.certain + 0.2 * min(1.0, words / _ENOUGH_WORDS), 3)


def _story(head: Head, body: str) -> dict[str, Any]:
    story: dict[str, Any] = {"type": "text", "standard": dict(NINJS_3_1)}
    if head.published_at:
        story["versionCreated"] = story["contentCreated"] = _rfc3339(head.published_at)
    story["headlines"] = [{"role": "main", "contentType": "text/plain", "value": one_line(head.headline)}]
    story["bodies"] = [{"role": "text", "contentType": "text/plain", "value": body}]
    if head.byline:
        story["by"] = head.byline
    if head.section:
        story["subjects"] = [{"name": head.section, "rel": SECTION_REL}]
    if head.source:
        story["infoSources"] = [{"name": head.source, "role": "publisher"}]
    return story


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
