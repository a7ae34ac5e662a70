"""Is a parked record whole, with its reason and a way back?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Undecodable, Unprocessable
from shared.platform.consuming import Record
from shared.platform.parking import DeadLetters, ParkingBudget, TooManyParked, fingerprint
from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.platform.cluster import everything, make_topics

BAD = Record(Topic.INBOX, 4, 77, "story\t1", b"\xff not json", {"ce_id": b"e1"}, 1_764_000_000_000)


async def parked(kafka: KafkaSettings, record: Record, error: Unprocessable) -> tuple[Record, dict[str, str]]:
    """Park a record; the dead letter as a record, and its dlq- headers as text."""
    async with Publisher(kafka) as publisher:
        appended = await DeadLetters(publisher, "moderation").park(record, error, stage="decode")
    [raw] = [one for one in await everything(kafka, Topic.DEAD_MODERATION) if one.offset == appended.offset]
    headers = dict(raw.headers)
    letter = Record(appended.topic, raw.partition, raw.offset, raw.key.decode(), raw.value, headers, raw.timestamp)
    return letter, {name: fact.decode() for name, fact in headers.items() if name.startswith("dlq-")}


async def test_a_dead_letter_keeps_the_bytes_and_says_where_and_why(kafka: KafkaSettings) -> None:
    """Nothing of the record is lost, and an operator needs nothing else to find the cause."""
    await make_topics(kafka, {Topic.DEAD_MODERATION: 1})
    letter, facts = await parked(kafka, BAD, Undecodable("not JSON at byte 0"))
    assert (letter.key, letter.value, letter.headers["ce_id"]) == (BAD.key, BAD.value, b"e1")
    assert int(facts.pop("dlq-first-seen")) > BAD.timestamp_ms
    assert facts == {
        "dlq-topic": "wire.desk.inbox.v1",
        "dlq-partition": "4",
        "dlq-offset": "77",
        "dlq-error": "Undecodable",
        "dlq-reason": "not JSON at byte 0",
        "dlq-fingerprint": fingerprint("wire.desk.inbox.v1", "Undecodable", "not JSON at byte 0"),
        "dlq-stage": "decode",
        "dlq-attempts": "1",
    }


async def test_a_redriven_record_counts_its_attempts_and_keeps_when_it_was_first_seen(kafka: KafkaSettings) -> None:
    """The second dead letter replaces the first one's facts instead of piling them up."""
    await make_topics(kafka, {Topic.DEAD_MODERATION: 1})
    first, before = await parked(kafka, BAD, Unprocessable("no such source"))
    again = Record(Topic.INBOX, 4, 99, first.key, first.value, first.headers, first.timestamp_ms)
    second, after = await parked(kafka, again, Unprocessable("still no such source"))
    assert (after["dlq-attempts"], after["dlq-offset"]) == ("2", "99")
    assert after["dlq-first-seen"] == before["dlq-first-seen"]
    assert second.value == BAD.value


async def test_a_key_that_is_not_text_keeps_its_bytes(kafka: KafkaSettings) -> None:
    """A foreign writer's record can be parked and sent back as it was."""
    await make_topics(kafka, {Topic.DEAD_MODERATION: 1})
    foreign = Record(Topic.INBOX, 0, 1, b"\xff\xfe".decode(errors="surrogateescape"), None, {}, 0)
    async with Publisher(kafka) as publisher:
        await DeadLetters(publisher, "moderation").park(foreign, Unprocessable("whose is this"))
    [raw] = await everything(kafka, Topic.DEAD_MODERATION)
    assert (raw.key, raw.value) == (b"\xff\xfe", None)


async def test_bytes_that_never_were_a_record_go_to_quarantine(kafka: KafkaSettings) -> None:
    """What ingest could not parse is kept too, with its reason cut to a sane length."""
    await make_topics(kafka, {Topic.DEAD_INGEST: 1})
    async with Publisher(kafka) as publisher:
        letters = DeadLetters(publisher, "ingest")
        appended = await letters.park_bytes(
            "feed-7", b"<rss", Undecodable("x" * 5000), headers=[("content-type", b"t")]
        )
    [raw] = await everything(kafka, Topic.DEAD_INGEST)
    headers = dict(raw.headers)
    assert (appended.topic, raw.key, raw.value) == (Topic.DEAD_INGEST, b"feed-7", b"<rss")
    assert (headers["content-type"], headers["dlq-stage"]) == (b"t", b"ingest")
    assert len(headers["dlq-reason"]) == 1000
    assert "dlq-topic" not in headers


@given(st.integers(0), st.integers(0))
def test_one_cause_has_one_fingerprint_whatever_the_numbers(one: int, other: int) -> None:
    """Dead letters are grouped by it."""
    assert fingerprint("t", "Undecodable", f"not JSON at byte {one}") == fingerprint(
        "t", "Undecodable", f"not JSON at byte {other}"
    )


def test_other_causes_have_other_fingerprints() -> None:
    """By topic, by error and by reason."""
    prints = {fingerprint(*cause) for cause in [("t", "A", "x"), ("u", "A", "x"), ("t", "B", "x"), ("t", "A", "y")]}
    assert len(prints) == 4


def test_the_budget_for_parking_comes_back_with_time() -> None:
    """Some bad records an hour are life; as many in a minute are an outage."""
    now = [0.0]
    budget = ParkingBudget(2, lambda: now[0])
    error = Unprocessable("bad")
    for at in (0.0, 30.0):
        now[0] = at
        budget.check(error)
        budget.spend()
    with pytest.raises(TooManyParked):
        budget.check(error)
    now[0] = 60.0
    budget.check(error)
