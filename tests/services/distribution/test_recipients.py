"""Who is owed which release of a story, and what the records say of it, the old ones too."""

import json

from hypothesis import given
from hypothesis import strategies as st

from services.distribution.matching import ShardOf
from services.distribution.recipients import Recipients, records_of
from shared.platform.topics import Topic, spec
from tests.services.distribution.deliveries import STORY, record


def read_from(*values: object) -> Recipients:
    """What a restart knows that finds these records."""
    recipients = Recipients()
    for offset, value in enumerate(values):
        recipients.apply(record(Topic.RECIPIENTS, json.dumps(value).encode(), offset))
    return recipients


@given(st.lists(st.tuples(st.integers(1, 4), st.frozensets(st.sampled_from("abcdef"))), max_size=6))
def test_an_endpoint_is_owed_every_release_from_its_first_on(joined: list[tuple[int, frozenset[str]]]) -> None:
    """In whatever order it is told, the lowest release stands."""
    recipients = Recipients()
    lowest: dict[str, int] = {}
    for release_no, endpoint_ids in joined:
        recipients.add(STORY, endpoint_ids, release_no)
        lowest.update({each: min(release_no, lowest.get(each, release_no)) for each in endpoint_ids})
    assert recipients.of(STORY) == lowest.keys()
    assert all(recipients.since(STORY, each) == lowest.get(each) for each in "abcdefg")
    for release_no in range(6):
        assert recipients.owed(STORY, release_no) == {each for each, since in lowest.items() if since <= release_no}


def test_a_story_nobody_was_owed_has_no_recipients() -> None:
    """Asking does not make anything up."""
    recipients = Recipients()
    recipients.add("urn:other", {"ep_1"})
    assert recipients.owed(STORY, 1) == frozenset()
    assert recipients.since(STORY, "ep_1") is None


def test_the_records_are_read_as_they_were_written() -> None:
    """Joining by two releases, over all shards."""
    written = [
        *records_of(STORY, {}, frozenset(f"ep_{number}" for number in range(40)), 1, ShardOf(6)),
        *records_of(STORY, {1: {f"ep_{number}" for number in range(40)}}, frozenset({"ep_90"}), 3, ShardOf(6)),
    ]
    newest = {one.key: json.loads(one.value or b"") for one in written}  # as compaction leaves them
    read = read_from(*newest.values())
    assert read.joined(STORY) == {1: {f"ep_{number}" for number in range(40)}, 3: {"ep_90"}}


def test_only_shards_somebody_joins_are_written() -> None:
    """The others' records stay in force."""
    shard_of = ShardOf(6)
    [one] = records_of(STORY, {1: {f"ep_{number}" for number in range(40)}}, frozenset({"ep_90"}), 3, shard_of)
    since = json.loads(one.value or b"")["since"]
    assert {shard_of(each) for endpoint_ids in since.values() for each in endpoint_ids} == {shard_of("ep_90")}


def test_100_000_endpoints_fit() -> None:
    """No record holds more than its shard's."""
    everybody = frozenset(f"ep_{number:024}" for number in range(100_000))
    written = [one.value or b"" for one in records_of(STORY, {}, everybody, 1, ShardOf(6))]
    assert all(len(value) < spec(Topic.RECIPIENTS).max_message_bytes for value in written)
    assert read_from(*map(json.loads, written)).of(STORY) == everybody


def test_an_old_record_says_who_joined_last_and_of_the_others_since_the_first() -> None:
    """`endpoint_ids`, `release_no` and `joined` were all that was written once."""
    old = {"story_id": STORY, "endpoint_ids": ["ep_1", "ep_2"], "release_no": 3, "joined": ["ep_2"]}
    assert read_from(old).joined(STORY) == {1: {"ep_1"}, 3: {"ep_2"}}
    assert read_from({"story_id": STORY, "endpoint_ids": ["ep_1"]}).since(STORY, "ep_1") == 1


def test_a_record_that_cannot_be_read_changes_nothing() -> None:
    """It is logged, and the rest of the table stays."""
    recipients = read_from({"story_id": STORY, "since": {"1": ["ep_1"]}}, {"story_id": STORY}, {"since": []}, [])
    assert recipients.joined(STORY) == {1: {"ep_1"}}
