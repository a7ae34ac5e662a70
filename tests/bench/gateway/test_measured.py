"""What the runs of one server say beside those of the others, and when a run counts for nothing."""

from dataclasses import replace

from tests.bench.accounts import account, counted
from tests.bench.gateway.load import Run
from tests.bench.gateway.measured import BARE, NCHAN, OURS, beside, shares, told

RUN = Run(
    per_s=4_000,
    cpu_us=6.0,
    server_share=0.24,
    client_share=0.1,
    late=[5.0, 6.0],
    account=counted([2, 2], [2, 2]),
    sampled=account([(0, 1)], [(0, 1)]),
    disordered=0,
    gaps=0,
    ended=0,
)


def test_a_run_is_sound_only_when_nothing_at_all_is_amiss() -> None:
    """Each of these alone makes it worthless, and is named."""
    assert RUN.sound
    amiss = {
        "1 lost": replace(RUN, account=counted([2, 2], [2, 1])),
        "1 twice": replace(RUN, sampled=account([(0, 1)], [(0, 1), (0, 1)])),
        "1 out of order": replace(RUN, disordered=1),
        "2 gaps": replace(RUN, gaps=2),
        "3 connections ended": replace(RUN, ended=3),
    }
    for words, run in amiss.items():
        assert not run.sound
        assert words in told([RUN, run])


def test_a_load_client_at_its_end_is_named_as_the_limit() -> None:
    """Then a rate says nothing of the server."""
    assert "limit" not in shares([RUN])
    assert "client 90%, which was the limit" in shares([replace(RUN, client_share=0.9)])


def test_where_nchan_is_missing_the_bare_loop_is_the_yardstick() -> None:
    """The figure that cannot be had is shown, and fails nobody."""
    figures = beside("CPU", {BARE: 5.0, OURS: 6.0}, [RUN], of_bare=(1.25, 1.1), of_nchan=(1.0, 0.7))
    assert [(figure.value, figure.passes) for figure in figures] == [(1.2, True), (None, True)]
    assert "not installed" in figures[1].remark


def test_where_nchan_is_there_it_is_the_yardstick_and_the_bare_loop_only_where_both_are() -> None:
    """Each with its own bar."""
    values = {BARE: 5.0, NCHAN: 8.0, OURS: 6.0}
    alone = beside("CPU", values, [RUN], of_bare=(1.25, 1.1), of_nchan=(1.0, 0.7))
    both = beside("CPU", values, [RUN], of_bare=(1.25, 1.1), of_nchan=(1.0, 0.7), both=True)
    assert [figure.value for figure in alone] == [0.75]
    assert [(figure.value, figure.bar.floor) for figure in both] == [(1.2, 1.25), (0.75, 1.0)]
