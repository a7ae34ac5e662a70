"""Order within a story, no waiting between stories, and nothing begun after a failure."""

import asyncio

import pytest

from services.moderation.story_queue import StoryQueue
from shared.domain.errors import Undecodable
from shared.platform.consuming import Completion
from tests.waiting import wait_until


class Steps:
    """Work that notes when it begins and ends, and ends when told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.may_end: dict[str, asyncio.Event] = {}

    def work(self, name: str, error: Exception | None = None) -> "Step":
        self.may_end[name] = asyncio.Event()
        return Step(self, name, error)


class Step:
    def __init__(self, steps: Steps, name: str, error: Exception | None) -> None:
        self._steps, self._name, self._error = steps, name, error

    async def __call__(self) -> None:
        self._steps.seen.append(f"{self._name} begins")
        await self._steps.may_end[self._name].wait()
        if self._error:
            raise self._error
        self._steps.seen.append(f"{self._name} ends")


async def done(completion: Completion) -> None:
    await wait_until(completion.done, within=5)


async def test_inputs_of_one_story_wait_for_each_other() -> None:
    """The second would decide on a state that is not written yet."""
    queue, steps = StoryQueue(), Steps()
    first = await queue.submit("s1", steps.work("a"), urgent=False)
    second = await queue.submit("s1", steps.work("b"), urgent=True)
    steps.may_end["b"].set()
    await wait_until(lambda: steps.seen, within=5)
    assert steps.seen == ["a begins"]
    steps.may_end["a"].set()
    await done(second)
    assert first.done()
    assert steps.seen == ["a begins", "a ends", "b begins", "b ends"]


async def test_inputs_of_other_stories_do_not_wait() -> None:
    """One story's slow write is nobody else's."""
    queue, steps = StoryQueue(), Steps()
    first = await queue.submit("s1", steps.work("a"), urgent=False)
    second = await queue.submit("s2", steps.work("b"), urgent=False)
    steps.may_end["b"].set()
    await done(second)
    assert not first.done()
    steps.may_end["a"].set()
    await done(first)


async def test_a_flash_needs_no_slot() -> None:
    """Invariant 8: breaking never queues behind routine."""
    queue, steps = StoryQueue(slots=1), Steps()
    await queue.submit("s1", steps.work("a"), urgent=False)
    routine = asyncio.create_task(queue.submit("s2", steps.work("b"), urgent=False))
    flash = await queue.submit("s3", steps.work("flash"), urgent=True)
    steps.may_end["flash"].set()
    await done(flash)
    assert not routine.done()
    steps.may_end["a"].set()
    steps.may_end["b"].set()
    await done(await routine)


async def test_an_unprocessable_input_holds_up_nothing() -> None:
    """It is parked; the story goes on."""
    queue, steps = StoryQueue(), Steps()
    first = await queue.submit("s1", steps.work("a", Undecodable("odd")), urgent=False)
    second = await queue.submit("s1", steps.work("b"), urgent=False)
    steps.may_end["a"].set()
    steps.may_end["b"].set()
    await done(second)
    assert isinstance(first.exception(), Undecodable)
    assert second.exception() is None


async def test_nothing_is_begun_after_any_other_failure() -> None:
    """What the failed input wrote may be there or not: only a new start knows."""
    queue, steps = StoryQueue(), Steps()
    error = RuntimeError("the broker is away")
    await queue.submit("s1", steps.work("a", error), urgent=False)
    second = await queue.submit("s1", steps.work("b"), urgent=False)
    steps.may_end["a"].set()
    await done(second)
    assert second.exception() is error
    assert steps.seen == ["a begins"]


@pytest.mark.parametrize("urgent", [True, False])
async def test_what_is_abandoned_stays_unconfirmed_and_frees_its_slot(urgent: bool) -> None:
    """Its partition went; the next owner handles it again."""
    queue, steps = StoryQueue(slots=1), Steps()
    abandoned = await queue.submit("s1", steps.work("a"), urgent=urgent)
    await queue.abandon()
    assert not abandoned.done()
    later = await queue.submit("s1", steps.work("b"), urgent=urgent)
    steps.may_end["b"].set()
    await done(later)
