"""Was all that was owed received, once and nothing else?"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """What was owed in one run and what came: `twice` counts copies beyond the first, `strange` what nobody owed."""

    owed: int
    arrived: int
    lost: int
    twice: int
    strange: int

    @property
    def balances(self) -> bool:
        return not (self.lost or self.twice or self.strange)

    def __str__(self) -> str:
        if self.balances:
            return f"{self.arrived:,} owed and received"
        return (
            f"{self.owed:,} owed, {self.arrived:,} received: "
            f"{self.lost:,} lost, {self.twice:,} twice, {self.strange:,} strange"
        )


class Run(Protocol):
    """A run that can say whether nothing was amiss in it."""

    @property
    def sound(self) -> bool: ...


def sound(runs: Iterable[Run]) -> bool:
    """Whether nothing was amiss in any of them."""
    return all(run.sound for run in runs)


def account(owed: Iterable[Hashable], arrived: Iterable[Hashable]) -> Account:
    """Compare what was owed with what came, each known by its name; a name is owed once."""
    expected, copies = set(owed), Counter(arrived)
    return Account(
        owed=len(expected),
        arrived=copies.total(),
        lost=sum(known not in copies for known in expected),
        twice=copies.total() - len(copies),
        strange=sum(known not in expected for known in copies),
    )


def counted(owed: Sequence[int], arrived: Sequence[int]) -> Account:
    """Compare how many each was owed with how many each got: nobody's loss is made up for by another's copy."""
    pairs = list(zip(owed, arrived, strict=True))
    return Account(
        owed=sum(owed),
        arrived=sum(arrived),
        lost=sum(max(0, expected - came) for expected, came in pairs),
        twice=sum(max(0, came - expected) for expected, came in pairs if expected),
        strange=sum(came for expected, came in pairs if not expected),
    )
