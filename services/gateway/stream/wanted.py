"""What may a client see, and what of that does it want? Pure."""

from dataclasses import dataclass, field, replace
from typing import Final

from services.gateway.stream.frames import Entry
from services.gateway.stream.ports import EVERYTHING
from shared.domain.products import Bounds
from shared.domain.products import concerns as concerns_by
from shared.domain.story import Kind
from shared.domain.subscription import Filter, Text

NO_WORDS: Final = Text({})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Any of its products (None: all there is), the filter that was granted, and the one it asked for itself."""

    products: Bounds = None
    granted: Filter = EVERYTHING
    asked: Filter = EVERYTHING

    def narrowed(self, asked: Filter) -> "Wanted":
        """The same products and grant, with another filter of its own."""
        return replace(self, asked=asked)

    def filters(self) -> tuple[Filter, ...]:
        """The filters that must all want a release; those that say nothing are left out."""
        return tuple(each for each in dict.fromkeys((self.granted, self.asked)) if each != EVERYTHING)


@dataclass(slots=True, eq=False)
class Judged:
    """A release about to be shown: its words are prepared when the first filter asks, once for all.

    `at` is the resume point behind it.
    """

    entry: Entry
    at: str = ""
    _text: Text | None = field(default=None, init=False)

    def text(self) -> Text | None:
        if self._text is None:
            self._text = self.entry.text()
        return self._text


def shows(wanted: Wanted, judged: Judged) -> bool:
    """Tell whether a release is shown to whoever has these products and filters.

    Every kill passes the filters; of the products one must have it within the story's reach. Other notices, and what
    follows an earlier release, are judged by the reach of the story as well.
    """
    if wanted.products is not None and not any(concerns(each, judged) for each in wanted.products):
        return False
    return judged.entry.kind is Kind.KILL or all(concerns(each, judged) for each in wanted.filters())


def concerns(wanted: Filter, judged: Judged) -> bool:
    """Tell whether one filter or product wants a release, or may have wanted an earlier one that it follows."""
    entry = judged.entry
    return concerns_by(wanted, entry.kind, entry.facts, entry.reach, judged.text)
