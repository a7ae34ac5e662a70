"""A delivery made anew from the release in the log: what does it need to be like the one that its block would give?"""

from collections.abc import Callable
from typing import Any

from services.distribution.deliveries import Delivery, body_of
from services.distribution.recipients import Recipients
from shared.domain.delivery import delivery_id
from shared.domain.events import StoryReleased


def was_owed(recipients: Recipients, event: StoryReleased, endpoint_id: str) -> bool:
    """Tell whether the endpoint was ever owed this release."""
    item = event.data.item
    since = recipients.since(item.story_id, endpoint_id)
    return since is not None and since <= item.release_no


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
