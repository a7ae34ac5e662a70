"""What do the lines above a dumped story's text say: headline, byline, date, section, source?"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final

from services.ingest.cleaning import comparable, one_line
from services.ingest.dates import full_date, is_only_a_date
from services.ingest.dump_block import Block
from services.ingest.dump_byline import THEME_BYLINE, byline_of, is_meta
from services.ingest.dump_lines import Line

_LOOK_ABOVE: Final = 25  # lines above the text in which a headline is looked for
_LOOK_FOR_SECTION: Final = 12  # lines above the headline in which a breadcrumb is looked for
_HEADLINE_WORDS: Final = (4, 28)
_RECURS, _BESIDE_META, _FIRST_OF_ALL, _ENDS_AS_SENTENCE = 30, 8, 5, -4
_NEAR: Final = 4  # lines around the headline in which byline and date stand
_LONGEST: Final = 400  # characters of a headline

_CAPTION: Final = re.compile(
    r"(?:photo|photograph|image|picture|caption|file photo|फोटो|صورة|图|图片)s?\b ?[:：].*", re.I
)

_HOME: Final = (
    "home|homepage|front page|accueil|inicio|início|startseite|главная|होम|मुख्य पृष्ठ|मुखपृष्ठ"
    "|الرئيسية|صفحه اصلی|首页|首頁|ホーム|トップ"
)
_CRUMB: Final = re.compile(rf"(?:{_HOME})(?P<mark>\s*[>»›/|→·:：«‹<]+\s*|\s+[-–]\s+|\s+)(?P<rest>\S.{{0,120}})", re.I)
_CRUMB_MARK: Final = re.compile(r"\s*[>»›/|→·«‹<]\s*|\s+[-–]\s+")
_SECTION: Final = re.compile(
    r"(?:section|category|filed under|posted in|in section|श्रेणी|القسم|قسم|栏目|分类) ?[:：] ?(?P<name>\S.{0,60})", re.I
)
_SECTION_WORDS: Final = 4
_DATELINE: Final = re.compile(r"[^.!?]{3,90}?(?:\s[-–—]{1,2}\s|\s?[—–]\s?)")
_TITLE_MARK: Final = re.compile(r" [|–—-] (?=[^|–—]{2,60}$)")


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


def read_head(lines: Sequence[Line], block: Block) -> Head | None:
    """Read what stands above `block`, or None where no line can be a headline."""
    counts = Counter(comparable(line.text) for line in lines if len(line.text) <= 300)
    chosen = (0, 1.0) if block.plain else _headline_index(lines, block, counts)
    if chosen is None or len(lines[chosen[0]].text) > _LONGEST:
        return None
    index, certain = chosen
    headline, source = _without_site(lines[index].text)
    site, byline = _byline(lines, block, index)
    return Head(
        headline=headline,
        headline_index=index,
        certain=certain,
        byline=byline,
        published_at=_published_at(lines, block, index),
        section=_section(lines, block, index),
        source=site or source or _title_site(lines, headline) or _masthead(lines, block, index),
    )


def _headline_index(lines: Sequence[Line], block: Block, counts: Counter[str]) -> tuple[int, float] | None:
    """Index of the best line above the text, and how certain it is; a short one only where no longer one stands."""
    above = range(block.start - 1, max(-1, block.start - 1 - _LOOK_ABOVE), -1)
    usable = [index for index in above if _may_be_headline(lines[index])]
    low, high = _HEADLINE_WORDS
    full = [index for index in usable if low <= lines[index].words <= high]
    if not full:
        short = next((index for index in usable if 2 <= lines[index].words <= high), None)
        return None if short is None else (short, 0.5)
    scores = {index: _headline_score(lines, index, block, counts) for index in full}
    best = max(full, key=lambda index: (scores[index], index))
    return best, 1.0 if scores[best] > 0 else 0.7


def _headline_score(lines: Sequence[Line], index: int, block: Block, counts: Counter[str]) -> int:
    line = lines[index]
    score = index - block.start + (_FIRST_OF_ALL if index == 0 else 0)
    if counts[comparable(line.text)] > 1 or _is_start_of_title(line, lines[:10]):
        score += _RECURS
    if any(is_meta(near.text) for near in (*_near_below(lines, index, block), *_near_above(lines, index)[:1])):
        score += _BESIDE_META
    return score + (_ENDS_AS_SENTENCE if line.text.endswith((".", "。", "।")) else 0)


def _near_below(lines: Sequence[Line], index: int, block: Block) -> Sequence[Line]:
    return lines[index + 1 : min(index + _NEAR, block.start)]


def _near_above(lines: Sequence[Line], index: int) -> list[Line]:
    """The nearest lines above that are no furniture, nearest first, up to the menu if one comes before."""
    near: list[Line] = []
    for line in reversed(lines[max(0, index - 2 * _NEAR) : index]):
        if line.is_bullet or len(near) == _NEAR - 1:
            break
        if not line.is_furniture:
            near.append(line)
    return near


def _is_start_of_title(line: Line, top: Sequence[Line]) -> bool:
    """Whether the page's title, "headline | site", starts with this line."""
    return any(other is not line and _without_site(other.text)[0] == line.text for other in top)


def _may_be_headline(line: Line) -> bool:
    if line.is_furniture or line.is_bullet or len(line.text) > _LONGEST or _CAPTION.fullmatch(line.text):
        return False
    return not _is_crumb(line.text) and not is_meta(line.text)


def _is_crumb(text: str) -> bool:
    return bool(_CRUMB.fullmatch(text) or _SECTION.fullmatch(text))


def _without_site(text: str) -> tuple[str, str | None]:
    """Headline and site of a page title such as "Headline | Site"; a plain headline stays whole."""
    mark = _TITLE_MARK.search(text[-70:]) if len(text) < 400 else None
    if mark is None:
        return text, None
    cut = max(0, len(text) - 70) + mark.start()
    head, site = text[:cut].strip(), text[cut + 3 :].strip()
    is_site = len(site.split()) <= 4 and site[:1].isupper() and len(head.split()) >= 4 and "|" in mark[0]
    return (head, site) if is_site else (text, None)


def _title_site(lines: Sequence[Line], headline: str) -> str | None:
    for line in lines[:10]:
        head, site = _without_site(line.text)
        if site and head == headline:
            return site
    return None


def _masthead(lines: Sequence[Line], block: Block, headline: int) -> str | None:
    """A short line above the menu that the page's foot names again."""
    top = takewhile(lambda line: not line.is_bullet, lines[: min(headline, 10)])
    names = [line.text for line in top if line.words <= 5 and not line.is_furniture and not is_meta(line.text)]
    foot = " ".join(comparable(line.text[:200]) for line in lines[block.stop :][-200:])
    return next((name for name in names if f" {comparable(name)} " in f" {foot} "), None)


def _byline(lines: Sequence[Line], block: Block, headline: int) -> tuple[str | None, str | None]:
    """Site and author: from below the headline first, then from the few lines above it."""
    below = lines[headline + 1 : headline + _NEAR] if block.plain else lines[headline + 1 : block.start]
    near = [line.text for line in (*below, *_near_above(lines, headline))]
    if found := next(filter(None, map(byline_of, near)), None):
        return found
    names = {comparable(line.text) for line in lines[:headline] if len(line.text) <= _LONGEST}
    for text in near:  # "Site by Author", where the site's name stands alone above
        theme = THEME_BYLINE.fullmatch(text[:200])
        if theme and comparable(theme["site"]) in names:
            return theme["site"], theme["who"]
    return None, None


def _published_at(lines: Sequence[Line], block: Block, headline: int) -> datetime | None:
    """The full date nearest to the text: below the headline, in the dateline, right above the headline, right below.

    A masthead's date, further up, is the day of the dump and never the story's.
    """
    stop = min(headline + 4, len(lines)) if block.plain else block.start
    between = [line.text for line in lines[headline + 1 : stop][::-1] if _may_name_the_date(line.text, block)]
    close = takewhile(lambda line: is_meta(line.text) or _is_crumb(line.text), _near_above(lines, headline))
    above = [line.text for line in close if is_only_a_date(line.text)]
    below = [line.text for line in lines[block.stop : block.stop + 3] if is_only_a_date(line.text)]
    if headline <= 2 and any(line.is_bullet for line in lines[headline:]):
        above = []  # so near the top of a whole page it is the masthead's
    dateline = _DATELINE.match(lines[block.start].text)
    candidates = [*between, dateline[0] if dateline else "", *above, *below]
    return next(filter(None, map(full_date, candidates)), None)


def _may_name_the_date(text: str, block: Block) -> bool:
    if block.plain:  # what follows the headline there may be the story itself
        return is_only_a_date(text) or byline_of(text) is not None
    return len(text) <= 200


def _section(lines: Sequence[Line], block: Block, headline: int) -> str | None:
    """The first step below "Home" in the breadcrumb, else a named section, else a menu entry that stands alone."""
    begin = max(0, headline - _LOOK_FOR_SECTION)
    near = [*range(headline - 1, begin - 1, -1), *range(headline + 1, block.start)]
    menu = {comparable(line.text.lstrip("•◦‣▪●·* ")): line.text.lstrip("•◦‣▪●·* ") for line in lines if line.is_bullet}
    for index in near:
        text = lines[index].text
        if lines[index].is_bullet:
            continue
        if found := _CRUMB.fullmatch(one_line(text[:160])):
            return _first_step(found, menu)
        if found := _SECTION.fullmatch(text[:120]):
            return _CRUMB_MARK.split(found["name"])[0].split(",")[0]
    alone = (menu.get(comparable(lines[index].text)) for index in near[:4] if not lines[index].is_bullet)
    return next((name for name in alone if name and not _is_home(name)), None)


def _first_step(crumb: re.Match[str], menu: dict[str, str]) -> str | None:
    rest = crumb["rest"]
    if crumb["mark"].strip():
        name = _CRUMB_MARK.split(rest)[0].strip()
        return name if name and len(name.split()) <= _SECTION_WORDS else None
    words = rest.split()
    for count in range(min(len(words), _SECTION_WORDS), 0, -1):
        if known := menu.get(comparable(" ".join(words[:count]))):
            return known
    return rest if len(words) <= 2 else None


def _is_home(name: str) -> bool:
    return comparable(name) in {comparable(word) for word in _HOME.split("|")}
