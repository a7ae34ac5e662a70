"""A delivery made anew from the release in the log: what does it need to be like the one that its block would give?"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from services.distribution.deliveries import Delivery, body_of
from services.distribution.matching import entitled
from services.distribution.ports import ReleasedLog
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from shared.domain.delivery import delivery_id
from shared.domain.events import StoryReleased
from shared.domain.story import Lane

AT_ONCE: Final = 64
"""Releases read at a time; what an endpoint is not owed costs nothing but that."""


def was_owed(recipients: Recipients, registry: Registry, event: StoryReleased, endpoint_id: str) -> bool:
    """Tell whether the endpoint was ever owed this release, and may be sent it by its products as they are now."""
    item = event.data.item
    since = recipients.since(item.story_id, endpoint_id)
    if since is None or since > item.release_no:
        return False
    return bool(entitled(registry, event.data, frozenset({endpoint_id})))


async def first_since(released: ReleasedLog, lane: Lane, begin: int, end: int, since: datetime) -> int:
    """Return the first place of a lane between two, from which on nothing is older; found by halving."""
    while begin < end:
        middle = (begin + end) // 2
        found = await released.read_from(lane, middle, AT_ONCE)
        event = next((event for _, event in found if event is not None), None)
        if event is not None and event.data.item.released_at < since:
            begin = middle + 1
        else:
            end = middle
    return begin


def reread(
    event: StoryReleased,
    endpoint_id: str,
    shard: int,
    term: int,
    *,
    done: Callable[[], None],
    undone: Callable[[], None],
    **how: Any,
) -> Delivery:
    """Return the delivery of a release with its place; `undone` is called instead of `done` when it stays to be done.

    `how`: the fields of `Delivery` in which it differs from a first try.
    """
    item = event.data.item
    return Delivery(
        delivery_id(item.story_id, item.release_no, endpoint_id),
        endpoint_id,
        shard,
        body_of(item),
        done,
        item=item,
        cause=event.event_id,
        stage_times=event.stage_times,
        term=term,
        undone=undone,
        **how,
    )
