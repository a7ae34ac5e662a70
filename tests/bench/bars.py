"""What is a figure judged by, and how does the table show it?"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.figures import table

HEAD = ("what", "found", "floor", "aim", "verdict", "remark")


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure of the table: what it says, in which unit, and what it is judged by."""

    what: str
    unit: str
    floor: float
    aim: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A bar, and the value found; None: it could not be measured, and `remark` says why.

    `sound`: nothing was lost on the way to it. `needed`: without a value the run has failed.
    """

    bar: Bar
    value: float | None
    remark: str
    sound: bool = True
    needed: bool = True

    @property
    def passes(self) -> bool:
        """Measured, sound, and not below its floor."""
        if self.value is None:
            return not self.needed
        return self.sound and verdict(self.value, self.bar.floor, self.bar.aim) != "BELOW"

    @property
    def cells(self) -> list[str]:
        """Its row of the table."""
        bar = self.bar
        if self.value is None:
            found, judged = "not measured", "-"
        else:
            found = f"{_number(self.value)} {bar.unit}"
            judged = verdict(self.value, bar.floor, bar.aim) if self.sound else "NOT SOUND"
        return [bar.what, found, _number(bar.floor), _number(bar.aim), judged, self.remark]


def verdict(value: float, floor: float, aim: float) -> str:
    """Say where a figure lies; the aim tells whether more or less is better."""
    sign = 1 if aim >= floor else -1
    if value * sign >= aim * sign:
        return "aim"
    return "floor" if value * sign >= floor * sign else "BELOW"


def judged(figures: Sequence[Figure]) -> list[str]:
    """The figures as a Markdown table."""
    return table(HEAD, [figure.cells for figure in figures])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"
