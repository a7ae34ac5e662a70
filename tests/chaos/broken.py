"""How is a service started that is broken on purpose? `python -m tests.chaos.broken SERVICE`, the copy in CHAOS_COPY.

The accountant must find each of these; without CHAOS_COPY the service is the real one.
"""

import asyncio
import os
import runpy
import sys
from collections.abc import Callable
from typing import Any

from shared.domain.delivery import Verdict
from shared.platform.consuming import Completion, consume
from shared.platform.handling import Handler
from shared.platform.records import Record
from tests.simulation.copies import Hasty, Ungated

COPY = "CHAOS_COPY"
EFFECT_AFTER_S = 1.0
"""Later than any commit: the window in which a crash loses the record."""


def commits_first(handle: Handler) -> Handler:
    """The offset passes at once, the effect follows."""
    under_way: set[asyncio.Task[None]] = set()

    async def effect(record: Record) -> None:
        await asyncio.sleep(EFFECT_AFTER_S)
        await handle(record)

    async def pass_at_once(record: Record) -> None:
        task = asyncio.create_task(effect(record))
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    return pass_at_once


def acks_on_exception(handle: Handler) -> Handler:
    """Whatever an effect comes to, its offset passes."""

    async def forgive(record: Record) -> Completion | None:
        try:
            completion = await handle(record)
        except Exception:  # noqa: BLE001 - this is what is broken here
            return None
        if completion is None:
            return None
        passed = Completion()
        completion.add_done_callback(lambda _: passed.complete())
        return passed

    return forgive


class Unnumbered(Ungated):
    """Asks the gate for kills only: which release is the newer one is nobody's question."""

    __slots__ = ()

    def _verdict(self, delivery: Any) -> Verdict:
        verdict = super(Ungated, self)._verdict(delivery)
        return Verdict.SEND if verdict is Verdict.SUPERSEDED else verdict


def _wrapped(break_it: Callable[[Handler], Handler]) -> Callable[..., Any]:
    async def broken(kafka: Any, *, handle: Handler, **more: Any) -> None:
        await consume(kafka, handle=break_it(handle), **more)

    return broken


def _moderation(**parts: Any) -> None:
    from services.moderation import main

    for name, part in parts.items():
        setattr(main, name, part)


def _distribution(**parts: Any) -> None:
    from services.distribution import main

    for name, part in parts.items():
        setattr(main, name, part)


COPIES: dict[str, Callable[[], None]] = {
    "commit before effect": lambda: _moderation(consume=_wrapped(commits_first)),
    "ack on exception": lambda: _moderation(consume=_wrapped(acks_on_exception)),
    "state after output": lambda: _moderation(Desk=Hasty),
    "no release check": lambda: _distribution(Dispatch=Unnumbered),
    "gate left out": lambda: _distribution(Dispatch=Ungated),
}


def main() -> None:
    """Put the copy's parts in place of the real ones, then be the service."""
    if copy := os.environ.get(COPY):
        COPIES[copy]()
    service = sys.argv.pop(1)
    runpy.run_module(f"services.{service}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
