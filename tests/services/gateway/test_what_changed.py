"""What changed between two versions: pointers for programs, pieces of text for people."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.what_changed import MOST_PARAGRAPHS, MOST_WORDS, Piece, pieces_between, what_changed
from tests.services.gateway.stories import item

texts = st.lists(st.sampled_from(["The bridge ", "opened", "closed", " on Monday.", "\n", "\n\n", "é", "  "])).map(
    "".join
)


def before_and_after(pieces: tuple[Piece, ...]) -> tuple[str, str]:
    return (
        "".join(piece.text for piece in pieces if piece.how != "added"),
        "".join(piece.text for piece in pieces if piece.how != "removed"),
    )


@given(texts, texts)
def test_the_pieces_make_both_texts(was: str, now: str) -> None:
    """Not a character is lost or made up, none is empty, and neighbours differ in kind."""
    pieces = pieces_between(was, now)
    assert before_and_after(pieces) == (was, now)
    assert all(piece.text for piece in pieces)
    assert all(one.how != other.how for one, other in pairwise(pieces))


def test_a_changed_word_stands_alone() -> None:
    """What is the same around it stays readable."""
    assert pieces_between("The bridge opened on Monday.\nMore.", "The bridge closed on Monday.\nMore.") == (
        Piece("same", "The bridge "),
        Piece("removed", "opened"),
        Piece("added", "closed"),
        Piece("same", " on Monday.\nMore."),
    )


@pytest.mark.parametrize("unit", ["a\n", "word "], ids=["paragraphs", "words"])
def test_a_text_that_is_too_long_to_compare_is_replaced(unit: str) -> None:
    """Comparing costs the product of both lengths; nobody else waits for that."""
    was = unit * (MOST_PARAGRAPHS + MOST_WORDS)
    assert pieces_between(was, was + "x") == (Piece("removed", was), Piece("added", was + "x"))


def test_only_texts_that_differ_are_shown() -> None:
    """The headline here; the body is the same in both."""
    found = what_changed(item(1), item(2, headline="Bridge closes"))
    assert [each.field for each in found.texts] == ["headline"]
    assert found.changes == [{"pointer": "/headlines/0/value", "was": "Bridge opens", "is": "Bridge closes"}]


def test_the_number_of_a_version_is_no_change() -> None:
    """It differs between any two."""
    assert what_changed(item(1), item(2)).changes == []
