"""Which full date (year, month and day) does a piece of text name?"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any, Final

_MONTHS: Final = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर",
        "जनवरी फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितम्बर अक्तूबर नवम्बर दिसम्बर",
        "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
        "جنوری فروری مارچ اپریل مئی جون جولائی اگست ستمبر اکتوبر نومبر دسمبر",
    )
    for number, name in enumerate(names.split(), 1)
} | {"sept": 9}
_NAME: Final = "|".join(re.escape(name) for name in sorted(_MONTHS, key=len, reverse=True))
_CLOCK: Final = (
    r"(?:[T ,]{1,3}(?:at )?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::\d\d(?:\.\d{1,9})?)?"
    r"(?: ?(?P<zone>Z|UTC|GMT)\b|(?P<offset>[+-]\d\d:?\d\d)\b)?)?"
)
# Every pattern is anchored on digits and bounded, so that a scan is linear. \d takes the digits of every script.
_FORMS: Final = tuple(
    re.compile(form, re.I)
    for form in (
        rf"(?<!\d)(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){_CLOCK}",
        rf"\b(?P<name>{_NAME})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})(?!\d){_CLOCK}",
        rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of |de )?(?P<name>{_NAME})"
        rf"\.?,? (?:de )?(?P<year>\d{{4}})(?!\d){_CLOCK}",
        r"(?<!\d)(?P<year>\d{4}) ?年 ?(?P<month>\d{1,2}) ?月 ?(?P<day>\d{1,2}) ?日",
        r"(?<!\d)(?P<year>\d{4}) ?년 ?(?P<month>\d{1,2}) ?월 ?(?P<day>\d{1,2}) ?일",
        r"(?<![\d./])(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?![\d./])",
        r"(?<![\d/])(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4})(?![\d/])",
    )
)


def full_date(text: str) -> datetime | None:
    """The first full date in `text`, as aware UTC: at midnight unless a time with its zone stands right behind it.

    3/7/2021 names no date, as nobody can say which number is the month; 13/7/2021 and 7/7/2021 do. Dates before 1900
    and after 2199 are taken for other numbers.
    """
    found = sorted(_found(text), key=lambda pair: pair[0])
    return found[0][1] if found else None


def is_only_a_date(text: str) -> bool:
    """Whether `text` is a date line: little stands in it beside the date, and it is no sentence."""
    if len(text) > 60 or (text.endswith((".", "!", "?", "।", "。", "۔")) and not text.lower().endswith(".m.")):
        return False
    return any(len(text) - (found.end() - found.start()) <= 24 for found in _matches(text))


def _matches(text: str) -> Iterator[re.Match[str]]:
    return (found for form in _FORMS for found in form.finditer(text) if _moment(found) is not None)


def _found(text: str) -> Iterator[tuple[int, datetime]]:
    for found in _matches(text):
        if moment := _moment(found):
            yield found.start(), moment


def _moment(found: re.Match[str]) -> datetime | None:
    parts = found.groupdict()
    month_day = _month_and_day(parts)
    if month_day is None or not 1900 <= int(parts["year"]) < 2200:
        return None
    try:
        day = date(int(parts["year"]), *month_day)
        return _with_clock(day, parts)
    except ValueError:
        return None


def _month_and_day(parts: dict[str, Any]) -> tuple[int, int] | None:
    if parts.get("name"):
        return _MONTHS.get(parts["name"].casefold(), 0), int(parts["day"])
    if parts.get("month"):
        return int(parts["month"]), int(parts["day"])
    first, second = int(parts["first"]), int(parts["second"])
    if first > 12:
        return second, first
    return (first, second) if second > 12 or first == second else None


def _with_clock(day: date, parts: dict[str, Any]) -> datetime:
    if parts.get("hour") and (parts.get("zone") or parts.get("offset")):
        clock = f"{int(parts['hour']):02}:{int(parts['minute']):02}:00{parts['offset'] or '+00:00'}"
        return datetime.fromisoformat(f"{day.isoformat()}T{clock}").astimezone(UTC)
    return datetime.combine(day, time(), UTC)
