"""Which schedules are there? Moves as hypothesis chooses them, and what did playing them exercise?"""

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.simulation.copies import REAL, Copy
from tests.simulation.tally import Tally
from tests.simulation.world import Move, Schedule, World

NAMES = (
    "file",
    "decide",
    "desk",
    "match",
    "take",
    "follow",
    "send",
    "catch up",
    "pause",
    "answer",
    "wait",
    "commit",
    "die",
    "stop",
    "skew",
    "hear",
    "flush",
    "view",
    "look",
    "wipe",
    "listen",
    "end",
    "run",
)
WEIGHTED = (*NAMES, *["file"] * 5, *["decide"] * 3, *["run"] * 5, *["die"] * 4, *["desk"] * 3, "match", "wait", "skew")

moves = st.builds(Move, st.sampled_from(WEIGHTED), st.integers(0, 15), st.integers(0, 15))
schedules = st.builds(Schedule, st.lists(moves, min_size=10, max_size=60), st.integers(0, 2**32 - 1))


def tries(number: int, *, shrink: bool = True) -> settings:
    """So many schedules; a failing one is made as small as it gets, and printed with the blob that replays it."""
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    return settings(
        max_examples=number,
        phases=phases,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def play(number: int, seeded: int, copy: Copy = REAL, *, shrink: bool = True) -> Tally:
    """Play so many schedules drawn from one seed; raises `Violation` with the schedule that made it happen."""
    tally = Tally()

    @seed(seeded)
    @tries(number, shrink=shrink)
    @given(schedules)
    def one(schedule: Schedule) -> None:
        world = World(copy)
        world.play(schedule)
        tally.take(world)

    one()
    return tally
