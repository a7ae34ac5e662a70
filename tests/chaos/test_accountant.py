"""A wire is killed piece by piece under the accountant's eyes; a wire that is broken on purpose does not pass them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from deploy.local.machine import Missing
from shared.platform.topics import Topic
from tests import brokers
from tests.chaos import broken, cast
from tests.chaos.conducting import conduct
from tests.chaos.fault_book import inflict
from tests.chaos.history import Violation
from tests.chaos.instance import ChaosWire, chaos_wire
from tests.chaos.judge import OUTCOMES, judge
from tests.chaos.plan import Story, stories, story
from tests.chaos.recordings import Listener, Manner
from tests.chaos.report import table
from tests.chaos.schedule import SERVICES, Kind, Planned

pytestmark = [pytest.mark.broker, pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]

RATE, TOLD_FOR_S = 4.0, 40.0
BREAKABLE = {"moderation": ("tests.chaos.broken", "moderation"), "distribution": ("tests.chaos.broken", "distribution")}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ChaosWire]:
    """An instance of its own, whose desk and post can be exchanged for broken ones."""
    try:
        async with chaos_wire(tmp_path_factory.mktemp("accountant"), commands=BREAKABLE) as running:
            yield running
    except Missing as error:
        brokers.unavailable(str(error))


@pytest.mark.timeout(400)
async def test_killing_every_service_leaves_nothing_unexplained(wire: ChaosWire) -> None:
    """Each service once by kill -9, one between a webhook and its answer, and Redis emptied, while stories flow."""
    seed = 4
    faults = [Planned(4.0 + 4.5 * number, Kind.KILL, name) for number, name in enumerate(SERVICES)]
    faults += [
        Planned(14.0, Kind.REDIS_FLUSHED, "redis"),
        Planned(21.0, Kind.FAILPOINT, "distribution", 0, "post.sent"),
    ]
    history = await conduct(
        wire.wire,
        seed,
        list(stories(seed, RATE, TOLD_FOR_S, due_s=(2.0, 8.0))),
        listeners=[*cast.endpoints(seed, TOLD_FOR_S, most=1), *cast.readers()],
        inflict=lambda book: inflict(wire, sorted(faults), book),
        patience_s=60.0,
        asks_again=True,
    )
    history.planned_kinds = frozenset(str(one.kind) for one in faults)
    judgement = judge(history, frozenset(OUTCOMES) - {"parked"})
    assert judgement.good, table(history, judgement, "the short run")


def retold(test: str, case: str, number: int = 0, at_s: float = 0.0, pauses: tuple[float, ...] = ()) -> Story:
    """A story of a case that no other test tells, with pauses of our own before its steps."""
    planned = story(test, number, case, at_s, (2.0, 3.0))
    steps = [replace(step, pause_s=pause) for step, pause in zip(planned.steps, pauses, strict=False)]
    return replace(planned, steps=(*steps, *planned.steps[len(steps) :]))


async def judged(
    wire: ChaosWire,
    service: str,
    copy: str,
    told: list[Story],
    point: str = "",
    manner: Manner | None = None,
    patience_s: float = 15.0,
) -> list[Violation]:
    """Let a copy of one service take these stories, armed at `point`; return what the accountant finds.

    The service is left as it is: the next test starts its own copy, and ours ends with the wire.
    """
    listeners = [Listener("one", "webhook", "latest", {}, manner or Manner()), cast.readers()[0]]
    wire.tell(service, {broken.COPY: copy} if copy else {})
    if point:
        where, action = point.split()
        wire.arm(service, where, 1, action)
    await wire.restart(service)
    history = await conduct(wire.wire, f"{copy} {point}", told, listeners=listeners, patience_s=patience_s)
    return judge(history, frozenset()).violations


def kinds(found: list[Violation]) -> set[str]:
    return {one.kind for one in found} - {"not exercised", "duplicate"}


STATE = f"publish.{Topic.STATE}.before"


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("copy", "action"), [("commit before effect", "kill"), ("ack on exception", "fail")])
async def test_a_desk_that_passes_offsets_too_soon_loses_a_story(wire: ChaosWire, copy: str, action: str) -> None:
    """Killed, or failed, where the state is written: the story is never taken again, its receipt says `received`."""
    found = await judged(wire, "moderation", copy, [retold(copy, "single")], f"{STATE} {action}", patience_s=4.0)
    assert {"receipt", "lost"} <= kinds(found), found


@pytest.mark.timeout(150)
async def test_a_desk_that_releases_before_it_remembers_gives_one_number_twice(wire: ChaosWire) -> None:
    """Killed between the two, it meets the story's flash first, and knows nothing of what is already out."""
    told = [retold("state after output", "flash_overtakes", pauses=(0.0, 0.7))]
    found = await judged(wire, "moderation", "state after output", told, f"{STATE} kill", patience_s=6.0)
    assert {"unasked", "lost"} <= kinds(found), found


@pytest.mark.timeout(150)
@pytest.mark.parametrize("action", ["kill", "fail"])
async def test_the_real_desk_takes_the_story_again(wire: ChaosWire, action: str) -> None:
    """The same stories under the same faults: nothing is unexplained."""
    told = [retold(action, "flash_overtakes", pauses=(0.0, 0.7)), retold(action, "single", 1)]
    found = await judged(wire, "moderation", "", told, f"{STATE} {action}", patience_s=40.0)
    assert not kinds(found), found


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("copy", "case", "expected"),
    [("no release check", "refile", "order"), ("gate left out", "killed_later", "after kill")],
)
async def test_a_post_that_does_not_look_again_sends_what_is_over(
    wire: ChaosWire, copy: str, case: str, expected: str
) -> None:
    """What was refused is tried again after ten seconds, when a newer release or the kill is already there.

    So few are refused that the endpoint is never left alone: then nothing of it would be tried again by itself.
    """
    told = [retold(copy, case, number, number / 10) for number in range(40)]
    found = await judged(wire, "distribution", copy, told, manner=Manner(refuses=0.15, most=1))
    assert expected in kinds(found), found
