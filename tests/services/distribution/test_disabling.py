"""How far an endpoint that never succeeds is on its way to being disabled."""

from datetime import timedelta

import pytest

from services.distribution.disabling import percent_told
from tests.services.distribution.deliveries import NOON


@pytest.mark.parametrize(
    ("hours", "percent"),
    [(0, 0), (17.9, 0), (18, 25), (35.9, 25), (36, 50), (54, 75), (71.9, 75), (72, 100), (900, 100)],
)
def test_its_owner_is_told_at_each_quarter(hours: float, percent: int) -> None:
    """Of 72 hours; at the last one it is disabled."""
    assert percent_told(NOON, NOON + timedelta(hours=hours)) == percent


def test_one_that_succeeds_is_on_no_way() -> None:
    """A success at any time begins it anew."""
    assert percent_told(None, NOON) == 0
