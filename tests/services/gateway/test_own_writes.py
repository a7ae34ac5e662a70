"""A caller sees what it wrote, and never goes back to what was before."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.own_writes import OwnWrites
from shared.platform.publishing import Outgoing
from shared.platform.records import Record
from shared.platform.topics import Topic
from tests.services.gateway.twins import MemoryTopics, record


def at(offset: int, key: str = "k") -> Record:
    return replace(record(Topic.SUBSCRIPTION_STATE, key, str(offset).encode()), offset=offset)


async def test_a_write_is_applied_when_the_broker_has_it() -> None:
    """Before the topic brings it back, and only once."""
    applied: list[Record] = []
    writes = OwnWrites(MemoryTopics(), applied.append)
    [appended] = await writes.write(Outgoing(Topic.SUBSCRIPTION_STATE, "k", b"mine"))
    assert [one.value for one in applied] == [b"mine"]
    writes.apply(at(appended.offset))
    assert len(applied) == 1


@given(before=st.lists(st.integers(0, 99)), after=st.lists(st.integers(101, 200)))
async def test_older_records_are_passed_over_and_newer_ones_taken(before: list[int], after: list[int]) -> None:
    """The table always ends with the newest record of the key; other keys are not held back."""
    applied: list[Record] = []
    writes = OwnWrites(MemoryTopics(), applied.append)
    await writes.write(Outgoing(Topic.SUBSCRIPTION_STATE, "k", b"mine"))  # lands on offset 100
    for offset in (*sorted(before), 100, *sorted(after)):
        writes.apply(at(offset))
    writes.apply(at(5, key="other"))
    assert [one.offset for one in applied] == [100, *sorted(after), 5]
