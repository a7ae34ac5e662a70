"""What a `Retry-After` header asks for, however it is written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.retry_after import LONGEST, parse_retry_after

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TWO_MINUTES = timedelta(minutes=2)


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        ([], None),
        (["120"], TWO_MINUTES),
        ([" 120 "], TWO_MINUTES),
        (["0"], timedelta()),
        (["000120"], TWO_MINUTES),
        (["1.5"], timedelta(seconds=2)),
        (["120.0"], TWO_MINUTES),
        (["-5"], None),
        (["+5"], None),
        (["1e3"], None),
        (["soon"], None),
        ([""], None),
        (["١٢٠"], None),  # digits, but not HTTP's
        (["99999999999999999999999999"], LONGEST),
        (["9" * 10_000], LONGEST),
        (["Mon, 23 Nov 2026 12:02:00 GMT"], TWO_MINUTES),
        (["Monday, 23-Nov-26 12:02:00 GMT"], TWO_MINUTES),
        (["Mon Nov 23 12:02:00 2026"], TWO_MINUTES),
        (["Tue Dec  1 12:00:00 2026"], timedelta(days=8)),
        (["Mon, 23 Nov 2026 11:00:00 GMT"], timedelta()),
        (["Sunday, 06-Nov-94 08:49:37 GMT"], timedelta()),  # 1994, not 2094
        (["Thu, 31 Dec 2026 23:59:60 GMT"], timedelta(days=38, hours=11, minutes=59, seconds=59)),
        (["Fri, 31 Dec 9999 23:59:59 GMT"], LONGEST),
        (["Mon, 31 Feb 2026 12:00:00 GMT"], None),
        (["Mon, 23 Nov 2026 12:02:00 +0100"], None),
        (["2026-11-23T12:02:00Z"], None),
        (["60", "120"], TWO_MINUTES),
        (["60, 120"], TWO_MINUTES),
        (["nonsense", "120"], TWO_MINUTES),
        (["60", "Mon, 23 Nov 2026 12:02:00 GMT"], TWO_MINUTES),
    ],
)
def test_the_wait_is_read_in_every_form(values: list[str], wait: timedelta | None) -> None:
    """Seconds, three forms of date, the past, the absurd, the negative, the fractional, the doubled."""
    assert parse_retry_after(values, NOW) == wait


@given(st.lists(st.text(max_size=40), max_size=3))
def test_any_header_gives_a_wait_or_none(values: list[str]) -> None:
    """Nothing a receiver writes there raises, runs backwards or exceeds the longest wait."""
    wait = parse_retry_after(values, NOW)
    assert wait is None or timedelta() <= wait <= LONGEST


@given(st.datetimes(datetime(1970, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001 - made aware below
def test_the_three_forms_of_a_date_agree(naive: datetime) -> None:
    """A date means the same moment in each of them, as far as two digits of a year can tell."""
    at = naive.replace(microsecond=0, tzinfo=UTC)
    expected = min(max(at - NOW, timedelta()), LONGEST)
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%a %b {:2d} %H:%M:%S %Y"):
        assert parse_retry_after([at.strftime(form.format(at.day))], NOW) == expected
    if 1977 <= at.year <= 2076:
        assert parse_retry_after([at.strftime("%A, %d-%b-%y %H:%M:%S GMT")], NOW) == expected
