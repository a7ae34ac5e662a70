"""What may a client see, and what of that does it want? Pure."""

from dataclasses import dataclass, field, replace
from typing import Final

from services.gateway.stream.frames import Entry
from services.gateway.stream.ports import EVERYTHING
from shared.domain.facts import Facts
from shared.domain.story import NOTICES, Kind
from shared.domain.subscription import LISTS, Filter, Terms, Text, wants

FOLLOWING: Final = frozenset({Kind.CORRECT, Kind.RELEASE})
"""Kinds that concern whoever was shown an earlier release, also where the facts have changed since."""

NO_WORDS: Final = Text({})
_NOTHING: Final = Terms()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Any of its products (None: all there is), the filter that was granted, and the one it asked for itself."""

    products: tuple[Filter, ...] | None = None
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
    if entry.kind in NOTICES:
        return _may_have_wanted(wanted, entry.reach or entry.facts)
    text = judged.text() if wanted.keywords or wanted.not_.keywords else NO_WORDS
    if wants(wanted, entry.facts, text):
        return True
    return entry.kind in FOLLOWING and entry.reach is not None and wants(wanted, entry.reach, text)


def _may_have_wanted(wanted: Filter, reach: Facts) -> bool:
    """Whether any release within this reach may have been wanted; nobody who was shown one misses its notice.

    A reach is a union: it can tell of an exclusion only where all that it holds of a field is excluded.
    """
    if wanted.not_ == _NOTHING:
        return wants(wanted, reach, None)
    if not wants(wanted.model_copy(update={"not_": _NOTHING}), reach, None):
        return False
    return not any(_excluded_throughout(name, wanted.not_, reach) for name in LISTS if name != "keywords")


def _excluded_throughout(name: str, excluded: Terms, reach: Facts) -> bool:
    terms, found = getattr(excluded, name), getattr(reach, name)
    if not terms or not found:
        return False
    only = Filter.model_validate({name: terms})
    return all(wants(only, Facts.model_validate({name: (value,)}), None) for value in found)
