"""Which section of its site does a dumped page stand in?"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from services.ingest.cleaning import comparable, one_line
from services.ingest.dump_lines import Line, without_bullet

_LOOK_ABOVE: Final = 12  # lines above the headline in which a breadcrumb is looked for
_MOST_WORDS: Final = 4
_ALONE: Final = 4  # lines next to the headline that may be a menu entry standing alone

_HOME: Final = (
    "home|homepage|front page|accueil|inicio|início|startseite|главная|होम|मुख्य पृष्ठ|मुखपृष्ठ"
    "|الرئيسية|صفحه اصلی|首页|首頁|ホーム|トップ"
)
_HOMES: Final = frozenset(map(comparable, _HOME.split("|")))
_CRUMBS: Final = re.compile(rf"(?:{_HOME})(?P<mark>\s*[>»›/|→·:：«‹<]+\s*|\s+[-–]\s+|\s+)(?P<rest>\S.{{0,120}})", re.I)
_NEXT_CRUMB: Final = re.compile(r"\s*[>»›/|→·«‹<]\s*|\s+[-–]\s+")
_NAMED: Final = re.compile(
    r"(?:section|category|filed under|posted in|in section|श्रेणी|القسم|قسم|栏目|分类) ?[:：] ?(?P<name>\S.{0,60})", re.I
)

Menu = Mapping[str, str]
"""The entries of the page's menus: comparable form to the form shown."""


def menu_of(lines: Iterable[Line]) -> Menu:
    """Every bulleted entry of the page that may be the name of a section."""
    names = (without_bullet(line.text) for line in lines if line.is_bullet and line.words <= _MOST_WORDS)
    return {comparable(name): name for name in names}


def section_named(text: str, menu: Menu) -> str | None:
    """The section a breadcrumb ("Home > World > Asia") or a label ("Section: World") names.

    None if `text` is neither; an empty string for a breadcrumb that names no section. Without marks between its steps
    a breadcrumb ("Home World") must name an entry of the menu, or be one or two capitalised words if there is none.
    """
    text = one_line(text[:200])
    if found := _NAMED.fullmatch(text):
        return _NEXT_CRUMB.split(found["name"])[0].split(",")[0]
    if not (found := _CRUMBS.fullmatch(text)):
        return None
    if not found["mark"].strip():
        return _unmarked(found["rest"].split(), menu)
    name = _NEXT_CRUMB.split(found["rest"])[0].strip()
    return name if len(name.split()) <= _MOST_WORDS else ""


def section_of(lines: Sequence[Line], menu: Menu, headline: int, text_start: int) -> str | None:
    """The first step below "Home", else a named section, else a menu entry that stands alone beside the headline."""
    near = [*reversed(lines[max(0, headline - _LOOK_ABOVE) : headline]), *lines[headline + 1 : text_start]]
    near = [line for line in near if not line.is_bullet]
    if named := next(filter(None, (section_named(line.text, menu) for line in near)), None):
        return named
    alone = (comparable(line.text) for line in near[:_ALONE])
    return next((menu[name] for name in alone if name in menu and name not in _HOMES), None)


def _unmarked(words: Sequence[str], menu: Menu) -> str | None:
    for count in range(min(len(words), _MOST_WORDS), 0, -1):
        if known := menu.get(comparable(" ".join(words[:count]))):
            return known
    is_name = len(words) <= 2 and not any(word[:1].islower() for word in words)
    return " ".join(words) if is_name and not menu else None
