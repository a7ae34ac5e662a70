"""What a process does for a shard that it has just lost changes nothing of what the new owner finds."""

import asyncio

import pytest

from services.distribution.deliveries import Delivery
from services.distribution.outcome import Unreachable
from services.distribution.tenure import Tenure
from shared.domain.health import HEALTH, EndpointHealth
from shared.domain.story import Lane
from shared.domain.subscription import Ordering
from shared.platform.topics import key_of
from tests.services.distribution.deliveries import STORY, block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench

SHARDS = frozenset({0})
DEAF = "ep_deaf"


async def owing(*offsets: int, ordering: Ordering = Ordering.LATEST) -> tuple[Bench, list[Delivery]]:
    """An endpoint's owner, and the deliveries that it has read for it and not sent yet."""
    bench = Bench()
    bench.know(endpoint(DEAF), subscription("s1", DEAF, ordering))
    await bench.deliverer.gained(SHARDS)
    for offset in offsets:
        of = item(1, story_id=f"{STORY}:{offset}").model_copy(update={"seq": offset})
        await bench.deliverer.handle(block_record(of, DEAF, offset=offset))
    held = [bench.queues.take() for _ in offsets]
    return bench, [each for each in held if each is not None]


async def test_what_is_owed_late_does_not_take_the_place_of_what_was_owed_in_time() -> None:
    """A minute has passed for all of them when the process is told to stop: the first record stands."""
    bench, (first, late) = await owing(5, 6)
    await bench.conditions.fold_all([first])
    await bench.deliverer.lost(SHARDS)
    await bench.conditions.fold_all([late])
    await bench.conditions.fold(late)
    bench.conditions.failed(DEAF, Unreachable("timeout"))
    [written] = bench.log.health()
    owed = EndpointHealth.model_validate_json(written.value or b"").catch_up
    assert owed is not None
    assert [each.offset for each in owed.loose[Lane.ROUTINE]] == [5]
    assert bench.conditions.all() == []


async def test_what_an_old_owner_sees_between_two_terms_is_not_kept_for_the_next() -> None:
    """Given back its shard, it begins with the record, not with what it heard meanwhile."""
    bench, (first, second) = await owing(5, 6)
    await bench.conditions.fold_all([first])
    await bench.deliverer.lost(SHARDS)
    bench.conditions.failed(DEAF, Unreachable("timeout"))
    for one in bench.log.health():
        bench.book.apply(one)
    await bench.deliverer.gained(SHARDS)
    [kept] = bench.conditions.all()
    assert kept.detour is not None
    assert list(kept.detour.loose[Lane.ROUTINE]) == [5]
    await bench.conditions.fold(second)
    assert list(kept.detour.loose[Lane.ROUTINE]) == [5, 6]


@pytest.mark.parametrize("gained_again", [False, True], ids=["lost", "not yet read again"])
async def test_who_waits_for_whom_is_listed_by_the_owner_alone(gained_again: bool) -> None:
    """A list begun anew by somebody who knows nothing of it would let go of what it held."""
    bench, (first, late) = await owing(5, 6, ordering=Ordering.EVERY)
    await bench.in_turn.hold(first)
    await bench.deliverer.lost(SHARDS)
    if gained_again:
        bench.tenure.gained(SHARDS)
    await bench.in_turn.hold(late)
    assert len(bench.log.health()) == 1
    assert bench.held.of(late) is None


@pytest.mark.parametrize("lost", [False, True], ids=["unsure for a moment", "lost"])
async def test_what_happens_while_a_list_is_written_is_looked_at_again(lost: bool) -> None:
    """Unsure of its group, the owner goes on once it is certain; of a shard that is lost nothing more is written."""
    bench, _ = await owing(5, 6, ordering=Ordering.EVERY)
    log = bench.log

    def in_between() -> None:
        log.behind = lambda: None
        bench.alive = False
        asyncio.get_running_loop().call_later(0.01, setattr, bench, "alive", True)
        if lost:
            bench.tenure.lost(SHARDS)
            bench.in_turn.lost(SHARDS)
            bench.conditions.lost(SHARDS)

    log.behind = in_between
    await bench.fall_due(60)
    await bench.fall_due(60)
    written = [one.key for one in log.health()]
    assert (key_of(DEAF, HEALTH) in written) is not lost
    assert len(written) == 1 or not lost


async def test_nobody_holds_a_shard_under_no_term() -> None:
    """What was read before the shard was gained, or begun after it was lost, is not acted on."""
    bench, (held,) = await owing(5)
    tenure = Tenure()
    assert not await tenure.sure(0, tenure.term(0))
    held.term = tenure.term(0)
    assert not tenure.holds(held)
    assert not await tenure.confirmed(held)
    assert bench.tenure.term(0)
