"""Do ids lead back to where they were made?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.stream.positions import Position, epoch_of, id_of, parse_id

OFFSETS = st.integers(0, 10**18 - 1)


@given(flash=OFFSETS, routine=OFFSETS, facts=st.lists(st.text(), max_size=3))
def test_an_id_is_read_back(flash: int, routine: int, facts: list[str]) -> None:
    """For every position and every life of the log."""
    position, epoch = Position(flash, routine), epoch_of(*facts)
    assert parse_id(id_of(epoch, position)) == (epoch, position)


@pytest.mark.parametrize("text", ["", "1-2", "e1-1", "e1--1-2", "E1-1-2", "e1-1-2-3", "e1-1-2\n", "e1-٣-2", "e1- 1-2"])
def test_what_is_no_id_is_none(text: str) -> None:
    """Nothing near an id is taken for one."""
    assert parse_id(text) is None


def test_another_life_of_the_log_has_another_name() -> None:
    """The cluster or the name of a topic changes it."""
    assert len({epoch_of("c1", "t1"), epoch_of("c2", "t1"), epoch_of("c1", "t2"), epoch_of("c1t1")}) == 4
