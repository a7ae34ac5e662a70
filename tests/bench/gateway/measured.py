"""The servers side by side under the same load: who is measured, and what the runs of each say beside the others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.bench.accounts import sound
from tests.bench.bars import Bar, Figure
from tests.bench.command import Protocol, Say
from tests.bench.figures import Spread, median, median_spread
from tests.bench.gateway.bare import BareServer, bare_server
from tests.bench.gateway.load import Load, Run
from tests.bench.gateway.loads import load_client
from tests.bench.gateway.nginx import MISSING, Nchan, found, nchan
from tests.bench.gateway.wire import Gateway, gateway
from tests.bench.machine import raise_open_files

T = TypeVar("T")
BARE, NCHAN, OURS = BareServer.name, Nchan.name, Gateway.name
Act = Callable[[Load], Awaitable[T]]
CPU_OF_BARE = (1.25, 1.1)
"""Floor and aim of the gateway's CPU, of the bare loop's."""


def crowd(full: int, protocol: Protocol) -> int:
    """How many of so many clients a run of this size has."""
    return max(50, full // protocol.shrunk)


def thousand(protocol: Protocol) -> int:
    """A thousand clients, also in a quick run: it is the machine, not the clients, that is short there."""
    return max(50, 20_000 // max(20, protocol.shrunk))


async def side_by_side(folder: Path, say: Say, act: Act[T]) -> dict[str, T]:
    """Do the same with each server there is, one after the other, the gateway last; what it gave, by name."""
    most = raise_open_files()
    given: dict[str, T] = {}
    async with bare_server() as bare, load_client(folder) as client:
        given[BARE] = await _said(BARE, act(Load(bare, client)), say)
    if installed := found():
        async with nchan(installed, folder, most) as theirs, load_client(folder) as client:
            given[NCHAN] = await _said(NCHAN, act(Load(theirs, client)), say)
    async with gateway(folder) as ours, load_client(folder) as client:
        given[OURS] = await _said(OURS, act(Load(ours, client)), say)
    return given


async def _said(name: str, doing: Awaitable[T], say: Say) -> T:
    say(f"    {name}")
    return await doing


async def runs_of(load: Load, stories: Callable[[float], Awaitable[None]], protocol: Protocol, say: Say) -> list[Run]:
    """Run as often as the protocol says."""
    runs = []
    for number in range(protocol.runs):
        run = await load.run(stories, protocol)
        late = median_spread([run.late])
        at = f"p50 {late.p50:.1f}, p99 {late.p99:.1f} ms; " if late else ""
        say(f"        run {number + 1}: {run.per_s:,.0f}/s, {run.cpu_us:.2f} µs each; {at}{shares([run])}{told([run])}")
        runs.append(run)
    return runs


def shares(runs: Sequence[Run]) -> str:
    """What server and client used of a core each, and whether it was the client that set the pace."""
    server, client = (median(runs, of) for of in (lambda run: run.server_share, lambda run: run.client_share))
    limit = ", which was the limit" if any(run.clients_limit for run in runs) else ""
    return f"server {server:.0%} of a core, client {client:.0%}{limit}; "


def told(runs: Sequence[Run]) -> str:
    """How many came as owed, or what did not."""
    arrived = sum(run.account.arrived for run in runs)
    return "; ".join(run.trouble for run in runs if not run.sound) or f"{arrived:,} as owed"


def cpu(runs: Sequence[Run]) -> float:
    """CPU of the server for each delivery, µs."""
    return median(runs, lambda run: run.cpu_us)


def late(runs: Sequence[Run]) -> Spread | None:
    """From due to received, ms: medians of the runs' percentiles."""
    return median_spread([run.late for run in runs])


def beside(
    what: str,
    values: Mapping[str, float],
    runs: Sequence[Run],
    *,
    of_bare: tuple[float, float],
    of_nchan: tuple[float, float],
    both: bool = False,
    unit: str = "µs",
) -> list[Figure]:
    """The gateway's value as a part of nchan's; where that is not installed, or `both`, also of the bare loop's."""
    shown = ", ".join(f"{name} {value:.1f} {unit}" for name, value in values.items())
    remark = f"{shown}; {shares(runs)}{told(runs)}"
    figures = []
    if both or NCHAN not in values:
        bar = Bar(f"{what}, of the bare loop's", "times", *of_bare)
        figures.append(Figure(bar, values[OURS] / values[BARE], remark, sound(runs)))
    bar = Bar(f"{what}, of nchan's", "times", *of_nchan)
    if NCHAN in values:
        figures.append(Figure(bar, values[OURS] / values[NCHAN], "as above" if figures else remark, sound(runs)))
    else:
        figures.append(Figure(bar, None, MISSING, needed=False))
    return figures
