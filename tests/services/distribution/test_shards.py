"""A delivery is taken only by the owner of its endpoint's shard."""

from dataclasses import replace

import pytest

from shared.domain.errors import Undecodable
from tests.services.distribution.deliveries import block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench


async def test_a_block_in_a_partition_that_is_not_its_shard_is_parked() -> None:
    """Its owner there does not know what was sent already, and would send it a second time."""
    bench = Bench()
    bench.know(endpoint("ep_1"), subscription())
    block = block_record(item(), "ep_1")
    with pytest.raises(Undecodable, match="shard"):
        await bench.deliverer.handle(replace(block, partition=block.partition + 1))
    await bench.work()
    assert bench.wire.sent == []
