"""Does everything on the wheel get its turns, neither too often nor too seldom?"""

from services.gateway.stream.wheel import Wheel
from tests.waiting import wait_until


async def test_turns_are_three_quarters_to_five_quarters_of_the_mean_apart() -> None:
    """Counted in the wheel's own steps, sixteen to the mean."""
    steps = 0
    turns: dict[str, list[int]] = {"a": [], "b": []}

    def tick() -> None:
        nonlocal steps
        steps += 1

    wheel: Wheel[str] = Wheel(0.01, lambda thing: turns[thing].append(steps), tick)
    wheel.start()
    try:
        wheel.add("a")
        wheel.add("b")
        await wait_until(lambda: min(map(len, turns.values())) >= 8, within=10)
        for taken in turns.values():
            apart = [after - before for before, after in zip([0, *taken], taken, strict=False)]
            assert all(12 <= steps_apart <= 20 for steps_apart in apart)
    finally:
        wheel.stop()


async def test_what_was_taken_off_gets_no_turn() -> None:
    """Also when it was put on more than once."""
    turns: list[str] = []
    wheel: Wheel[str] = Wheel(0.01, turns.append, lambda: None)
    wheel.start()
    try:
        wheel.add("gone")
        wheel.add("gone")
        wheel.discard("gone")
        wheel.add("stays")
        await wait_until(lambda: len(turns) >= 3, within=10)
        assert set(turns) == {"stays"}
    finally:
        wheel.stop()
