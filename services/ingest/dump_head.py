"""What do the lines above a dumped story's text say: headline, byline, date, section, source?"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final

from services.ingest.cleaning import comparable
from services.ingest.dates import full_date, is_only_a_date
from services.ingest.dump_block import Block
from services.ingest.dump_byline import byline_of, is_meta, site_byline_of
from services.ingest.dump_lines import Line
from services.ingest.dump_section import Menu, menu_of, section_named, section_of

_LOOK_ABOVE: Final = 25  # lines above the text in which a headline is looked for
_HEADLINE_WORDS: Final = (4, 28)
_RECURS, _BESIDE_META, _ENDS_AS_SENTENCE = 30, 8, -4
_UNDER_ANOTHER, _STANDFIRST = -2, -5
_STANDFIRST_WORDS: Final = 12
_WORDS_THAT_COUNT: Final = 8  # a longer headline is no better; a shorter one may be the site's name
_CERTAIN_FROM: Final = 9
_NEAR: Final = 4  # lines around the headline in which byline and date stand
_LONGEST: Final = 400  # characters of a headline

_CAPTION: Final = re.compile(
    r"(?:photo|photograph|image|picture|caption|file photo|फोटो|صورة|图|图片)s?\b ?[:：].*", re.I
)

_DATELINE: Final = re.compile(r"[^.!?]{3,90}?(?:\s[-–—]{1,2}\s|\s?[—–]\s?)")
_MARKDOWN_HEADING: Final = re.compile(r"^#{1,6} +(?=\S)")
_TITLE_MARK: Final = re.compile(r" \| (?=[^|]{2,60}$)")


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above the text; `headline_index` is into the same lines, `certain` from 0 to 1 for the headline."""

    headline: str
    headline_index: int
    certain: float
    byline: str | None = None
    published_at: datetime | None = None
    section: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class _Page:
    """A dump with its text found; `names` counts the comparable forms of its lines."""

    lines: Sequence[Line]
    block: Block
    menu: Menu
    names: Mapping[str, int]

    def is_meta(self, line: Line) -> bool:
        """Whether `line` is a date line or byline."""
        return is_meta(line.text) or site_byline_of(line.text, self.names) is not None

    def below(self, headline: int) -> Sequence[Line]:
        """The lines between the headline and the text; in a bare story, the first few below the headline."""
        return self.lines[headline + 1 : headline + _NEAR if self.block.plain else self.block.start]

    def above(self, headline: int) -> list[Line]:
        """The nearest lines above that are no furniture, nearest first, up to the menu if one comes before."""
        near: list[Line] = []
        for line in reversed(self.lines[max(0, headline - 2 * _NEAR) : headline]):
            if line.is_bullet or len(near) == _NEAR - 1:
                break
            if not line.is_furniture:
                near.append(line)
        return near


def read_head(lines: Sequence[Line], block: Block) -> Head | None:
    """Read what stands above `block`, or None where no line can be a headline."""
    names = Counter(comparable(line.text) for line in lines if len(line.text) <= _LONGEST)
    page = _Page(lines, block, menu_of(lines), names)
    chosen = (0, 1.0) if block.plain else _headline_index(page)
    if chosen is None or len(lines[chosen[0]].text) > _LONGEST:
        return None
    index, certain = chosen
    headline, source = _without_site(_MARKDOWN_HEADING.sub("", lines[index].text))
    site, byline = _byline(page, index)
    return Head(
        headline=headline,
        headline_index=index,
        certain=certain,
        byline=byline,
        published_at=_published_at(page, index),
        section=section_of(lines, page.menu, index, block.start),
        source=site or source or _title_site(lines, headline) or _masthead(page, index),
    )


def _headline_index(page: _Page) -> tuple[int, float] | None:
    """Index of the best line above the text, and how certain it is; a short one only where no longer one stands."""
    start = page.block.start
    above = range(start - 1, max(-1, start - 1 - _LOOK_ABOVE), -1)
    usable = [index for index in above if _may_be_headline(page, page.lines[index])]
    low, high = _HEADLINE_WORDS
    full = [index for index in usable if low <= page.lines[index].words <= high]
    if not full:
        short = next((index for index in usable if 2 <= page.lines[index].words <= high), None)
        return None if short is None else (short, 0.5)
    scores = {index: _headline_score(page, index) for index in full}
    best = max(full, key=lambda index: (scores[index], index))
    return best, 1.0 if scores[best] >= _CERTAIN_FROM else 0.7


def _headline_score(page: _Page, index: int) -> int:
    line = page.lines[index]
    score = index - page.block.start + min(line.words, _WORDS_THAT_COUNT) + _rank_below(page, index)
    if page.names[comparable(line.text)] > 1 or _is_start_of_title(line, page.lines[:10]):
        score += _RECURS
    if any(page.is_meta(near) for near in (*page.below(index)[: _NEAR - 1], *page.above(index)[:1])):
        score += _BESIDE_META
    return score + (_ENDS_AS_SENTENCE if line.text.endswith((".", "。", "।")) else 0)


def _rank_below(page: _Page, index: int) -> int:
    """What stands right under a line that may be a headline is rather its standfirst, and surely if it is longer."""
    line = page.lines[index]
    over = next(iter(page.above(index)), None)
    if over is None or over.words < _HEADLINE_WORDS[0] or not _may_be_headline(page, over):
        return 0
    return _STANDFIRST if line.words >= max(_STANDFIRST_WORDS, over.words + 1) else _UNDER_ANOTHER


def _may_be_headline(page: _Page, line: Line) -> bool:
    if line.is_furniture or line.is_bullet or len(line.text) > _LONGEST or _CAPTION.fullmatch(line.text):
        return False
    return section_named(line.text, page.menu) is None and not page.is_meta(line)


def _is_start_of_title(line: Line, top: Sequence[Line]) -> bool:
    """Whether the page's title, "headline | site", starts with this line."""
    return any(other is not line and _without_site(other.text)[0] == line.text for other in top)


def _without_site(text: str) -> tuple[str, str | None]:
    """Headline and site of a page title such as "Headline | Site"; a plain headline stays whole."""
    mark = _TITLE_MARK.search(text[-70:]) if len(text) <= _LONGEST else None
    if mark is None:
        return text, None
    cut = max(0, len(text) - 70) + mark.start()
    head, site = text[:cut].strip(), text[cut + 3 :].strip()
    is_site = len(site.split()) <= 4 and site[:1].isupper() and len(head.split()) >= 4
    return (head, site) if is_site else (text, None)


def _title_site(lines: Sequence[Line], headline: str) -> str | None:
    titles = (_without_site(line.text) for line in lines[:10])
    return next((site for head, site in titles if site and head == headline), None)


def _masthead(page: _Page, headline: int) -> str | None:
    """A short line above the menu that the page's foot names again."""
    top = takewhile(lambda line: not line.is_bullet, page.lines[: min(headline, 10)])
    names = [line.text for line in top if line.words <= 5 and not line.is_furniture and not page.is_meta(line)]
    foot = " ".join(comparable(line.text[:200]) for line in page.lines[page.block.stop :][-200:])
    return next((name for name in names if f" {comparable(name)} " in f" {foot} "), None)


def _byline(page: _Page, headline: int) -> tuple[str | None, str | None]:
    """Site and author: from below the headline first, then from the few lines above it."""
    for line in (*page.below(headline), *page.above(headline)):
        if found := site_byline_of(line.text, page.names):
            return found
        if author := byline_of(line.text):
            return None, author
    return None, None


def _published_at(page: _Page, headline: int) -> datetime | None:
    """The full date nearest to the text: below the headline, in the dateline, right above the headline, right below.

    A masthead's date, further up, is the day of the dump and never the story's.
    """
    between = [line.text for line in reversed(page.below(headline)) if _may_hold_the_date(page, line)]
    above = [line.text for line in _meta_above(page, headline) if is_only_a_date(line.text)]
    if headline <= 2 and any(line.is_bullet for line in page.lines[headline:]):
        above = []  # so near the top of a whole page it is the masthead's
    stop = page.block.stop
    below = [line.text for line in page.lines[stop : stop + 3] if is_only_a_date(line.text)]
    dateline = _DATELINE.match(page.lines[page.block.start].text)
    candidates = [*between, dateline[0] if dateline else "", *above, *below]
    return next(filter(None, map(full_date, candidates)), None)


def _meta_above(page: _Page, headline: int) -> Iterator[Line]:
    """The date lines, bylines and breadcrumbs right above the headline, up to the first line that is none of these."""
    return takewhile(
        lambda line: page.is_meta(line) or section_named(line.text, page.menu) is not None, page.above(headline)
    )


def _may_hold_the_date(page: _Page, line: Line) -> bool:
    """In a bare story what follows the headline may be the text itself, where dates mean something else."""
    return page.is_meta(line) if page.block.plain else len(line.text) <= 200
