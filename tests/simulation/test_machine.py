"""The same world under a state machine, whose rules see how things stand: no step is spent on what cannot happen.

A failure is printed as a short program of steps that plays it again, with the blob that `@reproduce_failure` takes.
"""

import os

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.simulation.copies import BROKEN, REAL, Copy
from tests.simulation.receivers import Violation
from tests.simulation.schedules import tries
from tests.simulation.world import Move, World

RUNS = int(os.environ.get("SIMULATE_N", "1200")) // 20
SEED = int(os.environ.get("SIMULATE_SEED", "1"))
STEPS = 40

numbers = st.integers(0, 15)

pytestmark = pytest.mark.timeout(900)  # processor time is what it takes, and others may need it too


class Wire(RuleBasedStateMachine):
    """Somebody files and decides, whoever can work does, whoever runs may die; in the end all is reckoned."""

    copy: Copy = REAL

    def __init__(self) -> None:
        super().__init__()
        self._world = World(self.copy)
        self._seed = 0
        self._failed = False

    @initialize(chance=st.integers(0, 2**32 - 1))
    def begin(self, chance: int) -> None:
        self._seed = chance
        self._world.begin(chance)

    @rule(story=numbers, form=numbers)
    def file(self, story: int, form: int) -> None:
        self._move("file", story, form)

    @precondition(lambda self: self._world.driver.inputs)
    @rule(story=numbers, which=numbers)
    def decide(self, story: int, which: int) -> None:
        self._move("decide", story, which)

    @precondition(lambda self: self._world.driver.inputs)
    @rule(
        what=st.sampled_from(("desk", "match", "take", "follow", "hear", "view", "catch up", "pause")),
        which=numbers,
        count=numbers,
    )
    def work(self, what: str, which: int, count: int) -> None:
        self._move(what, which, count)

    @precondition(lambda self: self._world.driver.inputs)
    @rule(count=numbers)
    def send(self, count: int) -> None:
        self._move("send", 0, count)

    @precondition(lambda self: self._world.asked)
    @rule(which=numbers, answer=numbers)
    def answer(self, which: int, answer: int) -> None:
        self._move("answer", which, answer)

    @rule(what=st.sampled_from(("wait", "skew", "commit", "flush", "look", "listen")), which=numbers, how=numbers)
    def pass_time(self, what: str, which: int, how: int) -> None:
        self._move(what, which, how)

    @precondition(lambda self: self._world.running)
    @rule(what=st.sampled_from(("die", "die", "stop", "end", "wipe")), which=numbers, when=numbers)
    def fail(self, what: str, which: int, when: int) -> None:
        self._move(what, which, when)

    @rule(chance=numbers)
    def run(self, chance: int) -> None:
        self._move("run", chance, chance)

    def teardown(self) -> None:
        try:
            if not self._failed:
                self._world.settle(self._seed)
        finally:
            self._world.close()

    def _move(self, what: str, a: int, b: int) -> None:
        try:
            self._world.move(Move(what, a, b))
        except Violation:
            self._failed = True
            raise


def drive(runs: int, copy: Copy = REAL, *, shrink: bool = True) -> None:
    """Play so many runs of the machine against a copy. Raises `Violation`."""
    machine = type("Wire", (Wire,), {"copy": copy})
    given = settings(tries(runs, shrink=shrink), stateful_step_count=STEPS)
    seeded = seed(SEED)(machine)
    run_state_machine_as_test(seeded, settings=given)


def test_whatever_the_machine_does_nothing_is_lost_early_resurrected_or_out_of_order() -> None:
    """A twentieth of the schedules' number, but each of up to 40 steps that could all happen."""
    drive(RUNS)


@pytest.mark.parametrize("broken", ["the offset is committed before the effect", "nothing is asked of the send gate"])
def test_the_machine_catches_a_broken_copy(broken: str) -> None:
    """Or it would not see what it plays."""
    with pytest.raises(Violation):
        drive(1_000, BROKEN[broken], shrink=False)
