"""What a process does for a shard that it has just lost changes nothing of what the new owner finds."""

from services.distribution.deliveries import Delivery
from services.distribution.outcome import Unreachable
from services.distribution.tenure import Tenure
from shared.domain.health import EndpointHealth
from shared.domain.story import Lane
from tests.services.distribution.deliveries import STORY, block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench

SHARDS = frozenset({0})
DEAF = "ep_deaf"


async def owing(*offsets: int) -> tuple[Bench, list[Delivery]]:
    """An endpoint's owner, and the deliveries that it has read for it and not sent yet."""
    bench = Bench()
    bench.know(endpoint(DEAF), subscription("s1", DEAF))
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


async def test_nobody_holds_a_shard_under_no_term() -> None:
    """What was read before the shard was gained, or begun after it was lost, is not acted on."""
    bench, (held,) = await owing(5)
    tenure = Tenure()
    assert not await tenure.sure(0, tenure.term(0))
    held.term = tenure.term(0)
    assert not tenure.holds(held)
    assert not await tenure.confirmed(held)
    assert bench.tenure.term(0)
