"""How long does a `Retry-After` header ask us to wait? (RFC 9110, sections 5.6.7 and 10.2.3)"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

LONGEST: Final = timedelta(days=366)  # far beyond every cap; keeps absurd numbers out of date arithmetic

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECONDS = re.compile(r"(?P<whole>\d+)(?P<part>\.\d+)?", re.ASCII)
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DATES = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",  # Sun, 06 Nov 1994 08:49:37 GMT
        rf"[A-Z][a-z]+, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",  # Sunday, 06-Nov-94 08:49:37 GMT
        rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",  # Sun Nov  6 08:49:37 1994
    )
)


def parse_retry_after(values: Sequence[str], now: datetime) -> timedelta | None:
    """Return the wait that the header's `values` ask for, or None when they ask for nothing readable.

    A fraction of a second is rounded up, a date in the past is no wait, a negative number means nothing.
    Of several answers (the header may not be repeated, yet is) the longest counts.
    """
    waits = [wait for value in values for one in _answers(value) if (wait := _wait(one, now)) is not None]
    return min(max(waits), LONGEST) if waits else None


def _answers(value: str) -> list[str]:
    """Split `120, 240`, which a proxy makes of two headers; leave the comma of a date alone."""
    text = value.strip()
    return [text] if re.search("[A-Za-z]", text) else [one.strip() for one in text.split(",")]


def _wait(text: str, now: datetime) -> timedelta | None:
    if seconds := _SECONDS.fullmatch(text):
        digits = seconds["whole"].lstrip("0") or "0"
        rounded_up = 1 if seconds["part"] and seconds["part"].strip(".0") else 0
        return LONGEST if len(digits) > 8 else timedelta(seconds=int(digits) + rounded_up)
    at = _date(text, now)
    return None if at is None else max(at - now, timedelta())


def _date(text: str, now: datetime) -> datetime | None:
    matched = next((found for form in _DATES if (found := form.fullmatch(text))), None)
    if matched is None:
        return None
    clock = (int(matched["hour"]), int(matched["minute"]), min(int(matched["second"]), 59))  # 60: a leap second
    try:
        return datetime(
            _year(matched["year"], now), _MONTHS.index(matched["month"]) + 1, int(matched["day"]), *clock, tzinfo=UTC
        )
    except ValueError:
        return None


def _year(digits: str, now: datetime) -> int:
    """Read a two-digit year as the last one with those digits that is not over 50 years ahead (RFC 9110)."""
    if len(digits) == 4:
        return int(digits)
    year = now.year - now.year % 100 + int(digits)
    return year - 100 if year > now.year + 50 else year
