"""A kill and an update race through the two lanes: whoever is first, every subscriber, stream and page ends dead.

Many stories to a world; `make simulate` plays ten thousand races. `RACES=100000 SIMULATE_SEED=7` before `make test
ARGS=tests/simulation/test_race_kills.py` plays more, or others; a failure names the seed of its world.
"""

import os
import sys
from collections import Counter
from random import Random

import pytest

from shared.domain.story import Kind
from tests.simulation.driver import DECISIONS, FILINGS
from tests.simulation.listeners import EVERYTHING
from tests.simulation.receivers import ALL, ENDPOINTS, Violation
from tests.simulation.world import Move, Schedule, World

RACES = int(os.environ.get("RACES", "2500"))
SEED = int(os.environ.get("SIMULATE_SEED", "1"))
AT_ONCE = 50
KILL = DECISIONS.index("kill") + len(DECISIONS)  # with broken glass: nobody need confirm it
TEXTS = tuple(number for number, (what, _) in enumerate(FILINGS) if what in {"plain", "chain", "correct"})
STEPS = (
    "desk",
    "desk",
    "match",
    "take",
    "follow",
    "send",
    "catch up",
    "answer",
    "hear",
    "flush",
    "view",
    "look",
    "listen",
)
RARELY = ("stop", "pause", "end", "commit", "wipe", "die", "wait")

pytestmark = pytest.mark.timeout(900)  # processor time is what it takes, and others may need it too


def play(seed: int) -> World:
    """Play one world of races. Raises `Violation` for whatever must not happen on the way."""
    chance = Random(seed)
    world = World(stories=tuple(f"urn:slugline:race:{number}" for number in range(AT_ONCE)))
    moves = [Move("file", number, chance.choice(TEXTS)) for number in range(AT_ONCE)]
    moves += steps(chance, chance.randrange(4 * AT_ONCE))
    rivals = [Move("file", number, chance.choice(TEXTS)) for number in range(AT_ONCE)]
    rivals += [Move("decide", number, KILL) for number in range(AT_ONCE)]
    chance.shuffle(rivals)
    pace = chance.randrange(1, 8)
    for rival in rivals:
        moves += [rival, *steps(chance, chance.randrange(pace))]
    world.play(Schedule(moves, seed))
    return world


def steps(chance: Random, count: int) -> list[Move]:
    """Let anybody do something, in no order; now and then somebody is restarted."""
    names = [chance.choice(RARELY if chance.random() < 0.02 else STEPS) for _ in range(count)]
    return [Move(name, chance.randrange(16), chance.randrange(16)) for name in names]


def judge(world: World, story_id: str) -> str:
    """Say how a race went; raises `Violation` unless its story is dead everywhere."""
    if story_id not in world.reader.gone:
        raise Violation(f"the page of {story_id} is there after the kill")
    for endpoint_id in ENDPOINTS:
        had = world.receivers.had(endpoint_id, story_id)
        if had and had[-1].kind is not Kind.KILL:
            raise Violation(f"{endpoint_id} ends with {had[-1]}")
    for listener in world.listeners:
        if not (seen := listener.seen.get(story_id)) or seen[-1].kind is not Kind.KILL:
            raise Violation(f"{listener.name} ends with {seen} of {story_id}")
    return _course(world, story_id)


def _course(world: World, story_id: str) -> str:
    kill = next(one for one in world.listeners if one.name == EVERYTHING).seen[story_id][-1].release_no
    shown = any(one.release_no == kill - 1 for one in world.listeners[0].seen[story_id])
    posted = any(one.release_no == kill - 1 for one in world.receivers.had(ALL, story_id))
    if kill < 3:
        return "the kill came first to the desk"
    reached = {(True, True): "both", (True, False): "the stream alone", (False, True): "the endpoint alone"}
    return f"the update came first, and before the kill to {reached.get((shown, posted), 'nobody')}"


def test_a_kill_and_an_update_racing_end_dead_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """In either order of arrival, at the desk and behind it; each order must have come up."""
    courses: Counter[str] = Counter()
    for seed in range(SEED, SEED + RACES // AT_ONCE):
        try:
            world = play(seed)
            courses.update(judge(world, story_id) for story_id in world.driver.stories)
        except Violation as violation:
            raise Violation(f"RACES={AT_ONCE} SIMULATE_SEED={seed}: {violation}") from violation
    with capsys.disabled():
        for course, count in courses.most_common():
            sys.stdout.write(f"\nraces: {count:>6,}  {course}")
        sys.stdout.write("\n")
    assert courses.total() == RACES
    assert len(courses) >= 4
