"""Quiet stories are made small by their owner, in their own turn."""

from datetime import timedelta

from services.moderation.housekeeping import Housekeeping
from services.moderation.story_queue import StoryQueue
from shared.platform.clock import FixedClock
from tests.domain.stories import NOON, STORY
from tests.services.moderation.wire import STATE, Inbox, Process, Wire


async def kept_for(days: int, *, alive: bool = True) -> tuple[Process, Wire, int]:
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(inbox.filing("e1"))
    clock = FixedClock(NOON + timedelta(days=days))
    housekeeping = Housekeeping(process.book, wire, StoryQueue(), clock, lambda: alive)
    return process, wire, await housekeeping.round()


async def test_a_quiet_story_is_written_small_once() -> None:
    """The owner's memory and the topic say the same; a second round has nothing to do."""
    process, wire, rounds = await kept_for(36)
    assert (rounds, wire.effects[3:], process.state().applied) == (1, [STATE], ())
    assert wire.states[STORY] == process.state()
    again = Housekeeping(process.book, wire, StoryQueue(), FixedClock(NOON + timedelta(days=80)), lambda: True)
    assert await again.round() == 0


async def test_a_story_of_this_month_is_left_alone() -> None:
    """Its inputs may still come again."""
    _, wire, rounds = await kept_for(34)
    assert (rounds, len(wire.effects)) == (0, 3)


async def test_nothing_is_written_where_the_story_may_be_somebody_elses() -> None:
    """The last heartbeat is too old; the new owner has its own rounds."""
    _, wire, _ = await kept_for(36, alive=False)
    assert len(wire.effects) == 3


async def test_a_killed_story_stays_dead_after_its_state_was_made_small() -> None:
    """What comes a year later under its id is dead on arrival, also for the next owner."""
    wire, inbox = Wire(), Inbox()
    process = await Process(wire).own()
    await process.take(inbox.filing("e1"), inbox.decision("k1", "kill", break_glass=True))
    later = NOON + timedelta(days=365)
    await Housekeeping(process.book, wire, StoryQueue(), FixedClock(later), lambda: True).round()
    successor = await Process(wire).own()
    await successor.take(inbox.filing("e2", "two", at=later))
    assert [event.release_no for event in wire.released] == [1, 2]
