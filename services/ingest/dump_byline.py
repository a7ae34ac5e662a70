"""Is a line of a dump a byline, and whose?"""

import re
from typing import Final

from services.ingest.cleaning import comparable, one_line
from services.ingest.dates import is_only_a_date

_BYLINE: Final = re.compile(
    r"(?:(?:posted|written|published|reported|story|words|text) )?by:? (?P<en>\S.*)"
    r"|(?:author|reporter|correspondent|लेखक|संवाददाता|द्वारा|रिपोर्टर|بقلم|كتب|كتبت|المراسل|作者|记者|撰文|文|автор|autor|auteur)"
    r" ?[:：/／|] ?(?P<named>\S.*)"
    r"|记者 ?(?P<zh>\S{2,12})"
    r"|(?P<role>[^\d,]{3,40}), (?:[\w' -]{0,30} )?(?:correspondent|reporter|editor|writer|columnist)"
    r"|(?P<other>(?:par|von|por|di) (?!\S+ (?:der|die|das)\b)[^\W\d_].*)",
    re.I,
)
THEME_BYLINE: Final = re.compile(r"(?P<site>\S.{0,80}?) by (?P<who>\S.{0,80})", re.I)
"""Site and author, as the themes of many sites write them."""

_BYLINE_END: Final = re.compile(r"\s*(?:[|•·]|\s[-–—]\s|,? on (?=\w+ \d|\d)|,? (?:published|updated|posted)\b).*", re.I)
_BYLINE_WORDS: Final = 10


def byline_of(text: str) -> tuple[str | None, str] | None:
    """Site (if the line names it) and author of a byline such as "By A. Name" or "Site by A. Name"; None for others."""
    text = one_line(text[:300])
    if found := _BYLINE.fullmatch(text):
        who = _BYLINE_END.sub("", next(filter(None, found.groups())))
        return (None, who) if 1 <= len(who.split()) <= _BYLINE_WORDS and not who.endswith((".", "!", "?")) else None
    if (found := THEME_BYLINE.fullmatch(text)) and comparable(found["site"]) == comparable(found["who"]):
        return found["site"], found["who"]
    return None


def is_meta(text: str) -> bool:
    """Whether `text` is a date line or a byline: what stands between a headline and its story."""
    return is_only_a_date(text) or byline_of(text) is not None
