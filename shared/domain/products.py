"""What may a subscriber have at all? Products: filters an operator sets, within which it may narrow, never widen."""

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.facts import Facts
from shared.domain.story import NOTICES, Kind
from shared.domain.subscription import LISTS, Filter, Terms, Text, wants

MOST_PRODUCTS: Final = 100

Bounds = tuple[Filter, ...] | None
"""A release must be within any of these; None: everything there is, an empty one: nothing."""

FOLLOWING: Final = frozenset({Kind.CORRECT, Kind.RELEASE})
"""Kinds that concern whoever was shown an earlier release, also where the facts have changed since."""

_NO_WORDS: Final = Text({})
_NOTHING: Final = Terms()


class Product(BaseModel):
    """A filter with a name, under which it was agreed on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    filter: Filter


class Products(BaseModel):
    """All that one subscriber may have: part `products` of it in `subscription.state`. No record: everything."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subscriber: str
    products: tuple[Product, ...]

    def bounds(self) -> tuple[Filter, ...]:
        """The filters alone."""
        return tuple(each.filter for each in self.products)

    def having(self, kind: Kind, facts: Facts, reach: Facts | None, text: Callable[[], Text | None]) -> tuple[str, ...]:
        """The names of those that a release is within; see `concerns`."""
        return tuple(each.name for each in self.products if concerns(each.filter, kind, facts, reach, text))


def within(bounds: Bounds, kind: Kind, facts: Facts, reach: Facts | None, text: Callable[[], Text | None]) -> bool:
    """Tell whether a release is within any of the bounds; see `concerns`."""
    return bounds is None or any(concerns(each, kind, facts, reach, text) for each in bounds)


def concerns(wanted: Filter, kind: Kind, facts: Facts, reach: Facts | None, text: Callable[[], Text | None]) -> bool:
    """Tell whether one filter or product wants a release, or may have wanted an earlier one that it follows.

    A notice is judged on the reach of its story (its facts where none came along); a correction and a release after a
    withhold on their facts or the reach. `text` is called for a filter that asks for words.
    """
    if kind in NOTICES:
        return _may_have_wanted(wanted, reach or facts)
    words = text() if wanted.keywords or wanted.not_.keywords else _NO_WORDS
    if wants(wanted, facts, words):
        return True
    return kind in FOLLOWING and reach is not None and wants(wanted, reach, words)


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
