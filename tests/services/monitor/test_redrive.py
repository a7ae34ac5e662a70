"""Does a dead letter go back whole, once, at a measured pace, and only where it may?"""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitor.dead_letters import Wanted
from services.monitor.redrive import LONGEST_S, TAKEN_FROM, NoWayBack, Outcome
from shared.platform.publishing import PublishTimeout
from shared.platform.records import Record
from shared.platform.topics import Topic, spec
from tests.services.monitor.redriving import Log, Monitor, dead, log_with, place_of

LETTER = dead(7)
CAUSE = Wanted("moderation", "f00d")
ONE: dict[str, Any] = {"actor": "olga", "again": False, "rate": 50}
ALL: dict[str, Any] = ONE | {"limit": 100}


async def test_a_letter_goes_back_with_its_bytes_key_and_headers() -> None:
    """To the partition it came from; of what parking added only the attempts and the first sight go along."""
    log = log_with(LETTER)
    done = await Monitor(log).redriver().one(place_of(LETTER), **ONE)
    [sent] = log.on(Topic.INBOX)
    assert (sent.key, sent.value, sent.partition) == ("urn:x", b"\xff bytes", 4)
    assert dict(sent.headers) == {"ce_id": b"e1", "dlq-attempts": b"1", "dlq-first-seen": b"1764000000000"}
    assert (done.outcome, done.to_topic, done.to_partition) == (Outcome.REDRIVEN, Topic.INBOX.value, 4)


async def test_a_letter_goes_back_once_also_over_a_restart() -> None:
    """The second request, and one to a monitor that only knows the audit, find that it is done."""
    log = log_with(LETTER)
    first = Monitor(log).redriver()
    await first.one(place_of(LETTER), **ONE)
    again = await first.one(place_of(LETTER), **ONE)
    restarted = await Monitor(log).redriver().one(place_of(LETTER), **ONE)
    assert (again.outcome, restarted.outcome) == (Outcome.ALREADY, Outcome.ALREADY)
    assert len(log.on(Topic.INBOX)) == 1


async def test_two_monitors_at_once_send_one_record_twice_and_not_two() -> None:
    """The active one and its standby are asked in the same moment, before either has seen the other's audit.

    What arrives twice is one event under one id, byte for byte, which every reader passes over the second time; both
    know it by one redrive id, so that from then on it counts as sent once.
    """
    log = log_with(LETTER)
    met = asyncio.Barrier(2)

    class Slow(Log):
        async def read_one(self, topic: Topic, partition: int, offset: int) -> Record | None:
            await met.wait()
            return await log.read_one(topic, partition, offset)

    slow = Slow(log.letters, log.written)
    both = await asyncio.gather(*(Monitor(slow).redriver().one(place_of(LETTER), **ONE) for _ in range(2)))
    first, second = log.on(Topic.INBOX)
    assert (first.key, first.value, first.partition, first.headers) == (
        (second.key, second.value, second.partition, second.headers)
    )
    assert ("ce_id", b"e1") in first.headers
    assert both[0].redrive_id == both[1].redrive_id
    restarted = Monitor(log)
    assert restarted.redriven.times(place_of(LETTER)) == 1
    assert (await restarted.redriver().one(place_of(LETTER), **ONE)).outcome is Outcome.ALREADY


async def test_again_means_once_more_under_an_id_of_its_own() -> None:
    """Whoever insists gets it, and the audit tells the two apart."""
    log = log_with(LETTER)
    redriver = Monitor(log).redriver()
    ids = [(await redriver.one(place_of(LETTER), **(ONE | {"again": True}))).redrive_id for _ in range(2)]
    assert len(log.on(Topic.INBOX)) == 2
    assert len(set(ids)) == 2
    assert Monitor(log).redriven.times(place_of(LETTER)) == 2


async def test_the_audit_says_who_sent_what_where_and_holds_no_bytes() -> None:
    """One entry for each letter, under the letter's place."""
    log = log_with(LETTER)
    done = await Monitor(log).redriver().one(place_of(LETTER), **ONE)
    [record] = log.on(Topic.AUDIT)
    entry = json.loads(record.value or b"")
    assert (entry["actor"], entry["action"]) == ("olga", "dead.redriven")
    assert entry["object"] == "wire.dead.moderation.v1[0]@7"
    assert entry["detail"]["redrive_id"] == done.redrive_id
    assert entry["detail"]["to_offset"] == done.to_offset
    assert b"bytes" not in (record.value or b"")


async def test_an_entry_that_was_not_confirmed_is_made_up_for_without_a_second_redrive() -> None:
    """The broker went away between the record and the entry: the repeated request writes only the entry."""
    log = log_with(LETTER)
    redriver = Monitor(log).redriver()
    log.away = frozenset({Topic.AUDIT})
    with pytest.raises(PublishTimeout):
        await redriver.one(place_of(LETTER), **ONE)
    log.away = frozenset()
    assert (await redriver.one(place_of(LETTER), **ONE)).outcome is Outcome.ALREADY
    assert (len(log.on(Topic.INBOX)), len(log.on(Topic.AUDIT))) == (1, 1)


async def test_what_was_not_confirmed_may_be_redriven_again() -> None:
    """A record that the broker never confirmed has not gone back."""
    log = log_with(LETTER)
    redriver = Monitor(log).redriver()
    log.away = frozenset({Topic.INBOX})
    with pytest.raises(PublishTimeout):
        await redriver.one(place_of(LETTER), **ONE)
    log.away = frozenset()
    assert (await redriver.one(place_of(LETTER), **ONE)).outcome is Outcome.REDRIVEN


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("", "file it again"),
        ("wire.story.nowhere.v1", "does not have"),
        (Topic.STATE.value, "replace a newer one"),
        (Topic.DEAD_MODERATION.value, "replace a newer one"),
    ],
)
async def test_a_letter_without_a_way_back_is_refused(origin: str, words: str) -> None:
    """What never was a record, what came from elsewhere, and what would undo newer state."""
    log = log_with(dead(7, ORIGIN_TOPIC=origin))
    with pytest.raises(NoWayBack, match=words):
        await Monitor(log).redriver().one(place_of(LETTER), **ONE)
    assert log.written == []


async def test_a_cause_goes_back_in_the_order_in_which_it_came() -> None:
    """Not in the order of parking, and without what other causes and services left."""
    late, early = dead(1, ORIGIN_OFFSET="90"), dead(2, ORIGIN_OFFSET="80")
    others = [dead(3, FINGERPRINT="beef"), dead(4, Topic.DEAD_ENRICH)]
    log = log_with(late, early, *others)
    done, left = await Monitor(log).redriver().cause(CAUSE, **ALL)
    assert [one.place.offset for one in done] == [2, 1]
    assert (left, len(log.on(Topic.INBOX))) == (0, 2)


async def test_a_cause_is_paced_and_what_would_take_too_long_is_left() -> None:
    """Two per second: one request sends what goes into its time, the next goes on behind it."""
    log = log_with(*(dead(n) for n in range(1, 41)))
    monitor = Monitor(log)
    redriver = monitor.redriver()
    done, left = await redriver.cause(CAUSE, **(ALL | {"rate": 2}))
    assert (len(done), left) == (int(2 * LONGEST_S), 40 - int(2 * LONGEST_S))
    assert monitor.waited == pytest.approx([0.5] * (len(done) - 1))
    done, left = await redriver.cause(CAUSE, **(ALL | {"rate": 2}))
    assert (done[0].place.offset, left) == (25, 0)


async def test_a_letter_that_is_kept_no_longer_is_passed_over() -> None:
    """Retention took it after the list was read; the others go back."""
    log = log_with(dead(1), dead(2))
    monitor = Monitor(log)
    del log.letters[place_of(dead(1))]
    done, _ = await monitor.redriver().cause(CAUSE, **ALL)
    assert [one.outcome for one in done] == [Outcome.GONE, Outcome.REDRIVEN]


@given(requests=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=20))
async def test_however_often_it_is_asked_each_letter_goes_back_once(requests: list[tuple[int, bool]]) -> None:
    """Any mixture of single requests, whole causes and restarts."""
    log = log_with(*(dead(n) for n in range(5)))
    redriver = Monitor(log).redriver()
    for offset, restart in requests:
        await redriver.one(place_of(dead(offset)), **ONE)
        redriver = Monitor(log).redriver() if restart else redriver
    await redriver.cause(CAUSE, **ALL)
    entered = [json.loads(one.value or b"")["detail"]["offset"] for one in log.on(Topic.AUDIT)]
    assert sorted(entered) == [0, 1, 2, 3, 4]
    assert len(log.on(Topic.INBOX)) == 5


def test_the_table_names_monitor_as_a_writer_of_all_it_sends_back_to() -> None:
    """And of the audit."""
    assert [topic for topic in (*TAKEN_FROM, Topic.AUDIT) if "monitor" not in spec(topic).writers] == []


def test_nothing_goes_back_to_a_topic_that_keeps_the_newest_record_only() -> None:
    """An old record would replace a newer one of its key."""
    assert [topic for topic in TAKEN_FROM if spec(topic).policy.compacts] == []
