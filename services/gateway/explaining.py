"""Why does a subscription get a story, or not? The clauses that decide, and what went out before."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from services.gateway.deliveries_view import DeliveriesView
from services.gateway.stories import Stories, products_having
from services.gateway.views.documents import Document
from shared.domain.item import Item
from shared.domain.products import FOLLOWING, Bounds, Products
from shared.domain.subscription import Clause, Subscription, Text, explain, wants


class Why(StrEnum):
    """What decides whether the newest release of a story goes out to a subscription."""

    FILTER = "filter"
    EARLIER_RELEASE = "earlier_release"
    CLAUSE = "clause"
    BEGAN_LATER = "began_later"
    NOTICE = "notice"
    PRODUCTS = "products"


@dataclass(frozen=True, slots=True)
class Explained:
    """The newest release, every clause judged on it, and the outcome. `earlier`: the first release known to count,
    which may be the newest itself. `products`: those of its subscriber that it is within; None: none are set."""

    newest: Document
    why: Why
    clauses: list[Clause]
    deciding: list[Clause]
    earlier: int | None
    products: tuple[str, ...] | None = None

    @property
    def owed(self) -> bool:
        return self.why in (Why.FILTER, Why.EARLIER_RELEASE)

    @property
    def words(self) -> str:
        """The outcome as a sentence."""
        match self.why:
            case Why.FILTER if not self.clauses:
                return "Goes out: an empty filter wants everything."
            case Why.FILTER:
                return f"Goes out: every clause lets it pass ({', '.join(each.field for each in self.clauses)})."
            case Why.EARLIER_RELEASE if self.earlier == self.newest.item.release_no:
                return "Goes out whatever the filter says now: the endpoint was owed this release already."
            case Why.EARLIER_RELEASE:
                return f"Goes out whatever the filter says now: release {self.earlier} of the story did."
            case Why.CLAUSE:
                return f"Does not go out: {'; '.join(map(_in_words, self.deciding))}."
            case Why.BEGAN_LATER:
                return "Does not go out: it was released before the subscription began."
            case Why.NOTICE:
                return "Does not go out: a notice is for those who had an earlier release."
            case Why.PRODUCTS:
                return "Does not go out: it is within none of the products of the subscriber."


async def explained(
    subscription: Subscription,
    story_id: str,
    stories: Stories,
    deliveries: DeliveriesView,
    products: Products | None = None,
    within: Bounds = None,
) -> Explained:
    """Judge the newest release by the filter as it is now, and by the `products` of the subscription's subscriber.

    `within`: what the caller may see. Raises NotFound, Gone, NotReady as reading the story does.

    Earlier releases count where `delivery.attempts` still knows that the endpoint was owed one, or where the filter
    wants one that was released since the subscription began.
    """
    newest = await stories.newest_release(story_id, within)
    sent = _sent(subscription, newest.item, deliveries)
    wanted = () if newest.is_notice else await _wanted_before(subscription, newest.item, stories)
    found = judged(subscription, newest, min((*sent, *wanted), default=None))
    return found if products is None else _within(found, products_having(products, newest), subscription)


def _within(found: Explained, having: tuple[str, ...], subscription: Subscription) -> Explained:
    """The same within products; a webhook's notices go to whoever had the story, whatever its products are now."""
    told = found.newest.is_notice and subscription.endpoint_id is not None
    if having or told:
        return replace(found, products=having)
    return replace(found, why=Why.PRODUCTS, deciding=[], products=having)


def judged(subscription: Subscription, newest: Document, earlier: int | None) -> Explained:
    """What the clauses, the beginning of the subscription and an earlier release make of the newest one."""
    text = None if newest.is_notice else Text(newest.item.story)
    clauses = explain(subscription.filter, newest.facts, text)
    failed = [each for each in clauses if not each.passed]
    told = newest.is_notice and subscription.endpoint_id is not None  # a webhook's notices go by who had the story
    began = newest.is_notice or _began_by(subscription, newest.item)
    if not failed and began and not told:
        return Explained(newest, Why.FILTER, clauses, clauses, earlier)
    if earlier is not None:
        return Explained(newest, Why.EARLIER_RELEASE, clauses, failed, earlier)
    if told:
        return Explained(newest, Why.NOTICE, clauses, [], None)
    return Explained(newest, Why.CLAUSE if failed else Why.BEGAN_LATER, clauses, failed, None)


def _sent(subscription: Subscription, newest: Item, deliveries: DeliveriesView) -> Iterable[int]:
    return (
        log.release_no
        for log in deliveries.of_story(newest.story_id)
        if log.endpoint_id == subscription.endpoint_id and log.release_no and log.release_no <= newest.release_no
    )


async def _wanted_before(subscription: Subscription, newest: Item, stories: Stories) -> list[int]:
    """The releases that the filter wants of the versions before; a stream goes by them for some kinds only."""
    if subscription.endpoint_id is None and newest.kind not in FOLLOWING:
        return []
    return [
        one.item.release_no
        for one in await stories.released_versions(newest.story_id)
        if one.item.release_no < newest.release_no
        and _began_by(subscription, one.item)
        and wants(subscription.filter, one.facts, Text(one.item.story))
    ]


def _began_by(subscription: Subscription, item: Item) -> bool:
    """Whether the release counts: by its place in its lane, or by time where the log has let go of the place."""
    if item.seq is None:
        return item.released_at >= subscription.created_at
    return item.seq >= subscription.start.get(item.lane, 0)


def _in_words(clause: Clause) -> str:
    found = _listed(clause.found, " and ") or "nothing there"
    if clause.field == "urgency_max":
        return f"urgency_max wants {clause.wanted[0]} or more urgent, the story has {found}"
    if clause.field.startswith("not."):
        return f"{clause.field} excludes {_listed(clause.wanted, ' or ')}, the story has {found}"
    return f"{clause.field} wants {_listed(clause.wanted, ' or ')}, the story has {found}"


def _listed(values: tuple[Any, ...], joined: str) -> str:
    return joined.join(str(value) for value in values)
