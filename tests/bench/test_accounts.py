"""Would a bench notice what is lost, comes twice, or was never owed?"""

from tests.bench.accounts import account, counted


def test_what_is_owed_and_received_once_balances() -> None:
    """In any order."""
    told = account(["a", "b", "c"], ["c", "a", "b"])
    assert told.balances
    assert str(told) == "3 owed and received"


def test_a_loss_is_not_made_up_for_by_a_copy_of_another() -> None:
    """Equal counts are not enough."""
    told = account(["a", "b", "c"], ["a", "b", "b"])
    assert not told.balances
    assert (told.lost, told.twice, told.strange) == (1, 1, 0)
    assert str(told) == "3 owed, 3 received: 1 lost, 1 twice, 0 strange"


def test_what_nobody_owed_is_strange() -> None:
    """However often it came."""
    told = account(["a"], ["a", "x", "x"])
    assert (told.lost, told.twice, told.strange) == (0, 1, 1)
    assert not told.balances


def test_each_client_is_counted_by_itself() -> None:
    """What one got too often does not hide what another lacks; who was owed nothing gets nothing."""
    assert counted([3, 3, 0], [3, 3, 0]).balances
    told = counted([3, 3, 0], [2, 4, 1])
    assert (told.owed, told.arrived, told.lost, told.twice, told.strange) == (6, 7, 1, 1, 1)
