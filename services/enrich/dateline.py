"""Where and when does a story say it was filed: "KABUL, Afghanistan, July 6 (Agency) - "?

Grammar: PLACE[, REGION][, Mon D] [(AGENCY)] and a dash. Without a place that the gazetteer knows, what stands before
the dash is an agency's credit or part of a sentence, and no dateline.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime

from services.enrich.gazetteer import Gazetteer, Kind, Meaning, Place

DATELINE_OLD = "dateline-date-far-from-filing"
_LONGEST = 120
_FAR_DAYS = 3
_DASH = re.compile(r"\s*(?:--|[–—―])\s*|\s+-\s+|\s-(?=\S)|\.-\s*|[:：]\s+|۔\s+")
_AGENCY = re.compile(r"^(.*?)[(（]([^()（）]{2,40})[)）]\s*(.*)$", re.DOTALL)
_MONTHS = {
    1: "jan ene янв 1月 जनवरी يناير",
    2: "feb fev fév févr фев 2月 फरवरी فبراير",
    3: "mar mär märz мар 3月 मार्च مارس",
    4: "apr abr avr апр 4月 अप्रैल أبريل",
    5: "may mai mag мая май 5月 मई مايو",
    6: "jun juin giu июн 6月 जून يونيو",
    7: "jul juil lug июл 7月 जुलाई يوليو",
    8: "aug ago août авг 8月 अगस्त أغسطس",
    9: "sep set сен 9月 सितंबर سبتمبر",
    10: "oct okt out ott окт 10月 अक्टूबर أكتوبر",
    11: "nov ноя 11月 नवंबर نوفمبر",
    12: "dec dez dic déc дек 12月 दिसंबर ديسمبر",
}
_MONTH_OF = {prefix: month for month, prefixes in _MONTHS.items() for prefix in prefixes.split()}
_DAY = re.compile(r"(?<!\d)(\d{1,2})(?!\d)")
_WORD = re.compile(r"[^\W\d_]{3,12}")
_CJK_DATE = re.compile(r"(\d{1,2})月(\d{1,2})日")


@dataclass(frozen=True, slots=True)
class Dateline:
    """A dateline found at the head of a text: `end` is where the copy itself begins, `day` is (month, day)."""

    place: Place
    located: str
    end: int
    day: tuple[int, int] | None = None
    agency: str | None = None

    def is_far_from(self, filed: datetime | None) -> bool:
        """Say whether the day named is more than three days from `filed`, in whichever year is nearest."""
        if self.day is None or filed is None:
            return False
        return _days_apart(self.day, filed.date()) > _FAR_DAYS


def read_dateline(text: str, gazetteer: Gazetteer) -> Dateline | None:
    """Give the dateline at the head of `text`, or None where nothing there names a place and parts it from the copy."""
    lead = len(text) - len(text.lstrip())
    line = text[lead : lead + _LONGEST].split("\n", maxsplit=1)[0]
    for dash in _DASH.finditer(line):
        found = _parsed(line[: dash.start()], gazetteer, colon=dash[0].strip() in {":", "："})
        if found is not None:
            return _with_end(found, lead + dash.end())
    return None


def _with_end(found: Dateline, end: int) -> Dateline:
    return Dateline(found.place, found.located, end, found.day, found.agency)


def _parsed(head: str, gazetteer: Gazetteer, *, colon: bool) -> Dateline | None:
    """Read what stands before the dash; a colon parts a dateline only after a day or an agency."""
    head, agency = _without_agency(head)
    pieces = [piece.strip(" .") for piece in re.split(r"[,،、]|/", head) if piece.strip(" .")]
    if not pieces or len(pieces) > 4:
        return None
    day = _day_in(pieces[-1])
    if day is not None:
        pieces[-1] = _without_day(pieces[-1])
    pieces = [piece for piece in pieces if piece]
    if not pieces:
        return None
    said_more = day is not None or agency is not None
    if (colon and not said_more) or not (said_more or len(pieces) > 1 or pieces[0].upper() == pieces[0]):
        return None
    region = pieces[1] if len(pieces) > 1 else None
    meaning = _place_named(pieces[0], region, gazetteer)
    if meaning is None:
        return None
    located = meaning.place.name if region is None else f"{meaning.place.name}, {_spelt(region)}"
    return Dateline(meaning.place, located, 0, day, agency)


def _without_agency(head: str) -> tuple[str, str | None]:
    found = _AGENCY.match(head)
    if found is None:
        return head, None
    return f"{found[1].strip()} {found[3].strip()}".strip(), found[2].strip()


def _place_named(name: str, region: str | None, gazetteer: Gazetteer) -> Meaning | None:
    """Choose among what `name` may mean: the region decides, then a city before a country, then the population."""
    known = gazetteer.named(name)
    if region is not None:
        confirmed = [meaning for meaning in known if _lies_in(meaning.place, region, gazetteer)]
        if not confirmed and not gazetteer.named(region):
            return None
        known = tuple(confirmed) or known
    rank = {Kind.CITY: 1, Kind.COUNTRY: 0, Kind.REGION: 0, Kind.DEMONYM: -1}
    return max(known, key=lambda m: (rank[m.kind], m.plain, m.place.capital, m.place.population), default=None)


def _lies_in(place: Place, region: str, gazetteer: Gazetteer) -> bool:
    for meaning in gazetteer.named(region.rstrip(".")):
        of_region = meaning.kind is Kind.REGION and meaning.place.region in {"", place.region}
        if meaning.place.country == place.country and (of_region or meaning.kind is Kind.COUNTRY):
            return True
    return False


def _day_in(piece: str) -> tuple[int, int] | None:
    cjk = _CJK_DATE.search(piece)
    if cjk is not None:
        return _valid_day(int(cjk[1]), int(cjk[2]))
    number = _DAY.search(piece)
    if number is None:
        return None
    months = (_month_of(word[0]) for word in _WORD.finditer(piece))
    month = next((month for month in months if month is not None), None)
    return None if month is None else _valid_day(month, int(number[1]))


def _month_of(word: str) -> int | None:
    """Give the month a word begins like; "Marseille" is none, since nothing but the month's name may follow."""
    lower = word.casefold()
    if lower in _MONTH_OF:
        return _MONTH_OF[lower]
    return next((month for prefix, month in _MONTH_OF.items() if len(word) <= 9 and lower.startswith(prefix)), None)


def _valid_day(month: int, day: int) -> tuple[int, int] | None:
    try:
        date(2000, month, day)
    except ValueError:
        return None
    return month, day


def _without_day(piece: str) -> str:
    """Give what a piece says besides its day: "КАБУЛ 6 июля" names a place too."""
    kept = [word for word in piece.split() if not _DAY.search(word) and _month_of(word.strip(".")) is None]
    return " ".join(kept) if _CJK_DATE.search(piece) is None else _CJK_DATE.sub("", piece).strip()


def _spelt(region: str) -> str:
    """Give a region as copy would have it: OHIO becomes Ohio, Ohio and NSW-like codes stay."""
    return region.title() if region.isupper() and len(region) > 3 else region


def _days_apart(day: tuple[int, int], filed: date) -> int:
    apart = []
    for year in (filed.year - 1, filed.year, filed.year + 1):
        try:
            apart.append(abs((date(year, *day) - filed).days))
        except ValueError:  # 29 February in a year that has none
            continue
    return min(apart, default=0)
