"""Long-lived workers between the queues and the network: twice as many as there are slots, no task per delivery."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from services.distribution.deliveries import Delivery
from services.distribution.dispatch import Dispatch, backed_off
from services.distribution.outcome import Delivered, GateShut
from services.distribution.queues import FairQueues
from services.distribution.sending import Answer


@dataclass(slots=True)
class Workers:
    """Takes deliveries while there are any; `wake` is called whenever the queues got something."""

    queues: FairQueues
    slots: int
    _idle: deque[asyncio.Future[None]] = field(default_factory=deque)

    def wake(self) -> None:
        """Let one idle worker look; it wakes the next one when it finds work."""
        while self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                return

    async def run(self, dispatch: Dispatch, stop: asyncio.Event) -> None:
        """Job: work until `stop`, then let exchanges in hand finish. An error of ours ends the job."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.slots + self.slots):  # as many again that are being written down
                group.create_task(self._work(dispatch, stop), name=f"sender-{number}")
            group.create_task(self._release_on(stop), name="senders.stop")

    async def _work(self, dispatch: Dispatch, stop: asyncio.Event) -> None:
        while not stop.is_set():
            delivery = self.queues.take()
            if delivery is None:
                await self._rest()
                continue
            self.wake()
            await dispatch.deliver(delivery, partial(self._land, delivery))
            self.queues.finish(delivery)
            self.wake()

    def _land(self, delivery: Delivery, answer: Answer) -> None:
        """The next may go while this one is written down: a slow broker is no fault of the endpoint's."""
        outcome = answer.outcome
        ok = None if isinstance(outcome, GateShut) else isinstance(outcome, Delivered)
        self.queues.land(delivery, answer.timing.total / 1000, ok=ok, back_off=backed_off(outcome))
        self.wake()

    async def _rest(self) -> None:
        idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        await idle

    async def _release_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)
