"""Which dates are read from furniture, in the scripts met so far."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.dates import full_date, is_only_a_date


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("July 6, 2021", "2021-07-06T00:00:00+00:00"),
        ("Thursday, 3 Sept. 2025 at noon", "2025-09-03T00:00:00+00:00"),
        ("the 6th of July 2021", "2021-07-06T00:00:00+00:00"),
        ("2021-07-06T14:30:00+05:30", "2021-07-06T09:00:00+00:00"),
        ("6 July 2021, 14:30 GMT", "2021-07-06T14:30:00+00:00"),
        ("6 July 2021, 14:30", "2021-07-06T00:00:00+00:00"),
        ("6. März 2021", "2021-03-06T00:00:00+00:00"),
        ("6 de julio de 2021", "2021-07-06T00:00:00+00:00"),
        ("6 июля 2021", "2021-07-06T00:00:00+00:00"),
        ("६ जुलाई २०२१", "2021-07-06T00:00:00+00:00"),
        ("٦ يوليو ٢٠٢١", "2021-07-06T00:00:00+00:00"),
        ("2021年7月6日", "2021-07-06T00:00:00+00:00"),
        ("2021년 7월 6일", "2021-07-06T00:00:00+00:00"),
        ("06.07.2021", "2021-07-06T00:00:00+00:00"),
        ("13/7/2021", "2021-07-13T00:00:00+00:00"),
        ("7/13/2021", "2021-07-13T00:00:00+00:00"),
        ("Published 1 May 2020, updated 2 May 2020", "2020-05-01T00:00:00+00:00"),
    ],
)
def test_a_full_date_is_read(text: str, found: str) -> None:
    """Midnight UTC stands for a day; a time counts only with its zone."""
    moment = full_date(text)
    assert moment is not None
    assert moment.isoformat() == found


@pytest.mark.parametrize(
    "text", ["3/7/2021", "July 2021", "July 6", "31 June 2021", "2021-13-01", "12345-01-02", "Tuesday", "6 July 1066"]
)
def test_what_is_no_full_date_is_not_guessed(text: str) -> None:
    """A wrong date is worse than none."""
    assert full_date(text) is None


def test_a_date_line_holds_little_else() -> None:
    """A sentence that names a date is copy."""
    assert is_only_a_date("Published on Tuesday, July 6, 2021")
    assert is_only_a_date("July 6, 2021 9:30 a.m.")
    assert not is_only_a_date("It opened on July 6, 2021.")
    assert not is_only_a_date("The mill that opened on July 6, 2021 has burnt down again")


@given(st.text(alphabet="0123456789 -/.:,年月日julyſept६٦T+Z"))
def test_any_text_is_read_or_not(text: str) -> None:
    """No string of digits and months breaks the reader."""
    full_date(text)
