"""When lifts are sent, how often, and in which order."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.moderation.agenda import AFTER_T0, AGAIN_AFTER, WINDOW, Agenda, Due
from services.moderation.embargo_clock import FIRST_PROBES, EmbargoClock
from services.moderation.state_book import StateBook
from shared.domain.lifecycle import decide
from shared.domain.state import StoryState
from shared.platform.clock import FixedClock, SystemClock
from tests.domain.stories import NOON, deciding, filing, later, lifting
from tests.waiting import wait_until


class Sent:
    """The lifts topic: what was sent, by burst."""

    def __init__(self) -> None:
        self.bursts: list[list[Due]] = []
        self.probes = 0

    async def send(self, due: Sequence[Due]) -> None:
        self.bursts.append(list(due))

    async def probe(self) -> None:
        self.probes += 1

    @property
    def lifts(self) -> list[tuple[str, int]]:
        return [(one.story_id, one.version) for burst in self.bursts for one in burst]


def embargoed(story_id: str = "s1", until: datetime | None = None, urgency: int = 4) -> StoryState:
    given = filing(f"{story_id} e1", embargo_until=until or later(60), urgency=urgency)
    return decide(StoryState(story_id=story_id), given, later(-1))


def clock_over(*states: StoryState) -> tuple[EmbargoClock, StateBook, Sent, FixedClock]:
    book, sent, time = StateBook(), Sent(), FixedClock(NOON)
    clock = EmbargoClock(book, sent, time)
    for state in states:
        book.put(0, state)
    return clock, book, sent, time


async def test_a_lift_is_sent_five_milliseconds_after_its_time_and_not_before() -> None:
    """Append times are cut to milliseconds: earlier it might be stamped before T0."""
    clock, _, sent, time = clock_over(embargoed())
    time.set(later(60) + AFTER_T0 - timedelta(microseconds=1))
    await clock.tick()
    assert sent.lifts == []
    time.advance(timedelta(microseconds=1))
    await clock.tick()
    assert sent.lifts == [("s1", 1)]


async def test_a_lift_is_sent_every_second_until_the_state_shows_it_done() -> None:
    """The owner may have been between two lives when it came first."""
    clock, book, sent, time = clock_over(embargoed())
    time.set(later(61))
    await clock.tick()
    await clock.tick()
    assert len(sent.lifts) == 1
    time.advance(AGAIN_AFTER)
    await clock.tick()
    assert len(sent.lifts) == 2
    book.put(0, decide(book.of("s1"), lifting("l1", 1, later(60)), later(62)))
    time.advance(AGAIN_AFTER)
    await clock.tick()
    assert len(sent.lifts) == 2


async def test_the_most_urgent_of_many_goes_first() -> None:
    """At nine in the morning a hundred embargoes end together; the flash must not be the last of them."""
    states = [embargoed(f"s{number}", urgency=urgency) for number, urgency in enumerate((5, 1, 4, 2))]
    clock, _, sent, time = clock_over(*states)
    time.set(later(61))
    await clock.tick()
    assert [story for story, _ in sent.lifts] == ["s1", "s3", "s2", "s0"]


async def test_of_very_many_only_so_many_are_under_way_and_the_rest_waits_by_urgency() -> None:
    """What is sent cannot be overtaken any more: a flash that becomes due meanwhile goes before the whole rest."""
    states = [embargoed(f"s{number}") for number in range(WINDOW + 10)]
    clock, book, sent, time = clock_over(*states, embargoed("flash", until=later(61.5), urgency=1))
    time.set(later(61))
    await clock.tick()
    assert len(sent.lifts) == WINDOW
    await clock.tick()
    assert len(sent.lifts) == WINDOW
    time.set(later(61.6))
    for story, version in sent.lifts[: WINDOW - 1]:
        book.put(0, decide(book.of(story), lifting(f"l {story}", version, later(60)), later(61.6)))
    await clock.tick()
    assert sent.lifts[WINDOW] == ("flash", 1)
    assert len(set(sent.lifts)) == len(states) + 1


async def test_what_waits_for_room_is_sent_as_soon_as_there_is_some() -> None:
    """The job does not sleep while lifts that were sent are being done."""
    states = [embargoed(f"s{number}", until=NOON) for number in range(3 * WINDOW)]
    book, sent, stop = StateBook(), Sent(), asyncio.Event()
    clock = EmbargoClock(book, sent, SystemClock())
    for state in states:
        book.put(0, state)
    job = asyncio.create_task(clock.run(stop))
    done = 0
    while done < len(states):
        await wait_until(lambda: len(sent.lifts) > done, within=5)  # noqa: B023 - run at once
        story, version = sent.lifts[done]
        book.put(0, decide(book.of(story), lifting(f"l {story}", version, NOON), later(1)))
        done += 1
    stop.set()
    await asyncio.wait_for(job, 5)
    assert len(sent.lifts) == len(states)  # each once: none had to be asked for again


async def test_a_moved_embargo_is_lifted_at_its_new_time_only() -> None:
    """The old time passes in silence."""
    clock, book, sent, time = clock_over(embargoed())
    book.put(0, decide(book.of("s1"), deciding("d1", "embargo", embargo_until=later(300)), NOON))
    time.set(later(61))
    await clock.tick()
    assert sent.lifts == []
    time.set(later(301))
    await clock.tick()
    assert [one.due_at for burst in sent.bursts for one in burst] == [later(300)]


async def test_an_embargo_moved_there_and_back_is_lifted_once() -> None:
    """What was planned twice is one lift."""
    clock, book, sent, time = clock_over(embargoed())
    for event_id, until in (("d1", 300), ("d2", 60)):
        book.put(0, decide(book.of("s1"), deciding(event_id, "embargo", embargo_until=later(until)), NOON))
    time.set(later(61))
    await clock.tick()
    assert sent.lifts == [("s1", 1)]


async def test_nothing_is_sent_for_stories_of_somebody_else() -> None:
    """After a rebalance their owner's clock sends."""
    clock, book, sent, time = clock_over(embargoed())
    book.forget([0])
    time.set(later(61))
    await clock.tick()
    assert sent.lifts == []


async def test_nothing_is_sent_for_a_killed_story() -> None:
    """There is nothing to lift any more."""
    clock, book, sent, time = clock_over(embargoed())
    book.put(0, decide(book.of("s1"), deciding("k1", "kill", break_glass=True), NOON))
    time.set(later(61))
    await clock.tick()
    assert sent.lifts == []


async def test_the_job_wakes_for_an_embargo_planned_while_it_slept() -> None:
    """It sleeps until the next one it knows, and hears of earlier ones."""
    book, sent, stop = StateBook(), Sent(), asyncio.Event()
    clock = EmbargoClock(book, sent, SystemClock())
    job = asyncio.create_task(clock.run(stop))
    await asyncio.sleep(0)
    now = SystemClock().now()
    book.put(0, decide(StoryState(story_id="s1"), filing("e1", embargo_until=now + timedelta(milliseconds=50)), now))
    await wait_until(lambda: sent.lifts, within=5)
    stop.set()
    await asyncio.wait_for(job, 5)
    assert sent.lifts[0] == ("s1", 1)
    assert SystemClock().now() >= now + timedelta(milliseconds=55)


async def test_the_brokers_time_is_asked_for_at_the_start() -> None:
    """Before the first answer the local clock would have to be believed."""
    clock, _, sent, _ = clock_over()
    stop = asyncio.Event()
    job = asyncio.create_task(clock.keep_time(stop))
    await wait_until(lambda: sent.probes >= FIRST_PROBES, within=5)
    stop.set()
    await asyncio.wait_for(job, 5)
    assert sent.probes == FIRST_PROBES


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 8)), min_size=1, max_size=30), st.integers(0, 120))
def test_exactly_what_is_over_is_due_and_the_rest_stays_planned(plans: list[tuple[int, int]], seconds: int) -> None:
    """Whatever the order of planning: nothing early, nothing forgotten."""
    agenda = Agenda(lambda story, version: True)
    for number, (until, urgency) in enumerate(plans):
        agenda.plan(embargoed(f"s{number}", until=later(until), urgency=urgency))
    now = later(seconds)
    due = agenda.due(now)
    over = {f"s{number}" for number, (until, _) in enumerate(plans) if later(until) + AFTER_T0 <= now}
    assert {one.story_id for one in due} == over
    assert [one.urgency for one in due] == sorted(one.urgency for one in due)
    assert len(agenda) == len(plans)
