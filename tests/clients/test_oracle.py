"""The judge itself: what is right is left alone, and each kind of wrong is found and named."""

from typing import Any

import pytest

from tests.clients.oracle import Put, Wants, faults

WORLD = Wants("world", "en")
PUBLISHED = [
    Put("a", 1, "routine", "world", "en"),
    Put("b", 1, "routine", "world", "en"),
    Put("a", 2, "routine", "world", "en"),
    Put("b", 2, "flash", "world", "en"),
    Put("sport", 1, "routine", "sport", "en"),
    Put("german", 1, "routine", "world", "de"),
    Put("dead", 1, "routine", "sport", "en"),
    Put("dead", 2, "flash", "sport", "en", kill=True),
]


def told(*keys: tuple[str, int], **other: Any) -> list[dict[str, Any]]:
    stories = [{"event": "story", "data": {"story_id": story_id, "release_no": no}} for story_id, no in keys]
    return [{"event": "hello", "data": {}}, *stories, *({"event": name, "data": data} for name, data in other.items())]


RIGHT = (("a", 1), ("b", 1), ("a", 2), ("b", 2), ("dead", 2))


@pytest.mark.parametrize(
    "shown",
    [RIGHT, (("dead", 2), ("b", 2), ("a", 1), ("a", 2))],
    ids=["everything", "overtaken by a flash"],
)
def test_what_is_owed_and_nothing_else_is_right(shown: tuple[tuple[str, int], ...]) -> None:
    """Stories may come in any order among each other."""
    assert faults(PUBLISHED, told(*shown), WORLD) == []


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (RIGHT[1:], "was lost"),
        (RIGHT[:-1], "was lost"),
        ((*RIGHT, ("a", 2)), "came 2 times"),
        ((("a", 2), ("a", 1), ("b", 1), ("b", 2), ("dead", 2)), "came behind"),
        ((("dead", 2), ("dead", 1), *RIGHT[:-1]), "came behind"),
        ((*RIGHT, ("sport", 1)), "none of its business"),
        ((*RIGHT, ("german", 1)), "none of its business"),
        ((*RIGHT, ("nobody", 1)), "never put"),
        ((("a", 1), ("b", 1), ("b", 2), ("dead", 2)), "was lost"),
    ],
)
def test_each_wrong_is_found(shown: tuple[tuple[str, int], ...], words: str) -> None:
    """Lost, repeated, swapped, forbidden or made up."""
    assert any(words in fault for fault in faults(PUBLISHED, told(*shown), WORLD))


def test_a_gap_is_a_fault_where_the_log_holds_everything() -> None:
    """Nobody may be told that something is missing that is there."""
    assert "gap was told" in faults(PUBLISHED, told(*RIGHT, gap={"from": "e-1-1", "to": "e-2-2"}), WORLD)[0]
