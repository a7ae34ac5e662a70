"""Is a line of a dump a byline, and whose?"""

import re
from collections.abc import Container
from typing import Final

from services.ingest.cleaning import comparable, one_line
from services.ingest.dates import is_only_a_date

_BY: Final = re.compile(r"(?:(?:posted|written|published|reported|story|words|text) )?by:? (?P<who>\S.*)", re.I)
_LABELLED: Final = re.compile(
    r"(?:author|reporter|correspondent|लेखक|संवाददाता|द्वारा|रिपोर्टर|بقلم|كتب|كتبت|المراسل|作者|记者|撰文|文|автор|autor|auteur)"
    r" ?[:：/／|] ?(?P<who>\S.*)",
    re.I,
)
_CHINESE: Final = re.compile(r"记者 ?(?P<who>[^\s，。]{2,4}(?: [^\s，。]{2,4}){0,3})")
_ROMANCE: Final = re.compile(r"(?:Par|Von|Por|Di|PAR|VON|POR|DI) (?P<who>\S.*)")
_WITH_JOB: Final = re.compile(
    r"(?P<who>[^\d,]{3,40}), (?:[\w' -]{0,30} )?(?:correspondent|reporter|editor|writer|columnist)", re.I
)
_SITE_BY: Final = re.compile(r"(?P<site>\S.{0,80}?) by (?P<who>\S.{0,80})", re.I)

_END: Final = re.compile(
    r",?\s*(?:[|•·]|\s[-–—]\s|,? on (?=\w+ \d|\d)|, (?=\d|\w+ \d)|,? (?:published|updated|posted)\b).*", re.I
)
_MOST_WORDS: Final = 10
_NAME_WORDS: Final = 4
_BETWEEN_NAMES: Final = frozenset(("and", "et", "und", "y", "e", "de", "der", "van", "da", "al", "bin"))


def byline_of(text: str) -> str | None:
    """The author a byline such as "By A. Name" or "A. Name, reporter" names; None for any other line.

    "By popular demand the ferry returns" is none: after the mark there must stand a name, not a sentence.
    """
    text = one_line(text[:300]).strip("*_ ")
    for form, is_strict in ((_BY, False), (_LABELLED, False), (_CHINESE, False), (_ROMANCE, True), (_WITH_JOB, True)):
        if found := form.fullmatch(text):
            who = _END.sub("", found["who"])
            if _is_name(who, is_strict):
                return who
    return None


def site_byline_of(text: str, names: Container[str]) -> tuple[str, str] | None:
    """Site and author of "Site by Author", as the themes of many sites write it; None for any other line.

    The site must be its own author, or be among `names`: the comparable forms of lines that stand on the page.
    """
    found = _SITE_BY.fullmatch(one_line(text[:200]))
    if not found:
        return None
    site, who = found["site"], _END.sub("", found["who"])
    return (site, who) if comparable(site) == comparable(who) or comparable(site) in names else None


def is_meta(text: str) -> bool:
    """Whether `text` is a date line or a byline: what stands between a headline and its story."""
    return is_only_a_date(text) or byline_of(text) is not None or site_byline_of(text, ()) is not None


def _is_name(who: str, is_strict: bool) -> bool:
    """Strictly: up to four words, all capitalised but for such as "van". Else: it begins like a name, and is short."""
    words = who.split()
    if not words or len(words) > _MOST_WORDS or who.endswith((".", "!", "?")):
        return False
    lower = [word for word in words if word[:1].islower() and word.lower() not in _BETWEEN_NAMES]
    if is_strict:
        return len(words) <= _NAME_WORDS and not lower and words[0].lower() not in _BETWEEN_NAMES
    return len(words) <= _NAME_WORDS or not words[0][:1].islower()
