"""An endpoint's rate holds back its own queue, burns no try, and is nobody else's concern."""

from services.distribution.pace import Pace
from services.distribution.queues import FairQueues
from services.distribution.registry import Registry
from services.distribution.throttle import Throttle
from shared.platform.rates import OwnGrants
from tests.services.distribution.deliveries import block_record, endpoint, item, subscription
from tests.services.distribution.ledger import Bench
from tests.services.distribution.throttled import Now


class Paced:
    """A bench whose queues ask the rates; timers are kept until a test lets their time come."""

    def __init__(self, subscriber_rate: float | None = None) -> None:
        self.now = Now()
        self.throttle = Throttle(OwnGrants(self.now), OwnGrants(self.now), self.now, lambda: 0.5)
        self.timers: list[tuple[float, str]] = []
        registry = Registry(lambda sealed: sealed)
        pace = Pace(registry, self.throttle, subscriber_rate)
        queues = FairQueues(
            20,
            probation=1.0,
            pace=pace,
            later=lambda wait, at: self.timers.append((wait, at)),
            unspent=pace.unspent,
        )
        self.bench = Bench(registry=registry, queues=queues)

    async def pass_time(self, seconds: float) -> int:
        """Send what the rates allow in so many seconds; return how many went."""
        before, end = len(self.bench.wire.sent), self.now.at + seconds
        while self.now.at < end:
            await self.bench.work()
            await self.throttle.settle()
            self.now.at += 0.01
            due, self.timers = self.timers, []
            for _, endpoint_id in due:
                self.bench.queues.go_on(endpoint_id)
        return len(self.bench.wire.sent) - before

    async def owe(self, number: int, *endpoint_ids: str) -> None:
        for each in range(number):
            await self.bench.deliverer.handle(block_record(item(story_id=f"urn:{each}"), *endpoint_ids))


async def test_an_endpoint_gets_what_its_rate_allows_and_each_at_its_first_try() -> None:
    """Twenty a second for two seconds: about forty of a hundred, and no row says that anything was tried in vain."""
    paced = Paced()
    paced.bench.know(endpoint("ep_1", rate_limit=20), subscription())
    await paced.owe(100, "ep_1")
    went = await paced.pass_time(2)
    assert 36 <= went <= 46
    assert {(row.data.state, row.data.n) for row in paced.bench.log.rows()} == {("delivered", 1)}


async def test_another_endpoint_does_not_wait_for_it() -> None:
    """All of its own go at once."""
    paced = Paced()
    paced.bench.know(endpoint("ep_1", rate_limit=1), endpoint("ep_2"), subscription(), subscription("s2", "ep_2"))
    await paced.owe(30, "ep_1", "ep_2")
    await paced.bench.work()
    assert sum(row.data.endpoint_id == "ep_2" for row in paced.bench.log.rows()) == 30


async def test_all_endpoints_of_a_subscriber_share_its_rate() -> None:
    """Twenty a second together."""
    paced = Paced(subscriber_rate=20)
    paced.bench.know(endpoint("ep_1"), endpoint("ep_2"), subscription(), subscription("s2", "ep_2"))
    await paced.owe(100, "ep_1", "ep_2")
    assert 36 <= await paced.pass_time(2) <= 46


async def test_what_is_not_sent_after_all_uses_up_nothing_of_the_rate() -> None:
    """A hundred were superseded while they waited at two a second: the one that counts does not stand behind them."""
    paced = Paced(subscriber_rate=2)
    paced.bench.know(endpoint("ep_1", rate_limit=2), subscription())
    await paced.owe(100, "ep_1")
    for each in range(99):
        paced.bench.standings.move(item(2, story_id=f"urn:{each}"))
    assert await paced.pass_time(2) == 1
    assert {row.data.state for row in paced.bench.log.rows()} == {"delivered", "superseded"}
