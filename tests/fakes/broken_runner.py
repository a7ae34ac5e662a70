"""Copies of the consumer loop that are broken on purpose: does a suite, or an accountant, notice?

In one process: `with broken("commit before effect"): ...`; every `consume()` begun in the block runs the copy. For a
service of its own: `python -m tests.fakes.broken_runner COPY MODULE [ARGUMENT ...]`, as in
`python -m tests.fakes.broken_runner "ack on exception" services.moderation`; or call `break_for_good(COPY)` before the
service's `main`. Services on Faust have another loop and stay whole.
"""

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from shared.platform import consuming
from shared.platform.handling import Completion


class CommitsBeforeEffect(consuming._Loop):
    """The offset is with the broker before the record is handled: what a crash interrupts is lost."""

    async def _handle_one(self, intake: Any, share: Any, record: Any) -> None:
        intake.begin(share, record)
        self._finish(intake, share, record)
        await self._commit_all()
        await self._handle_record(record)


class AcksOnException(consuming._Loop):
    """Whatever a handler or its promise comes to, the record passes: an error is a record less."""

    async def _handle_one(self, intake: Any, share: Any, record: Any) -> None:
        intake.begin(share, record)
        completion: Completion | None = None
        with suppress(Exception):
            completion = await self._handle_record(record)
        if completion is None:
            self._finish(intake, share, record)
        else:
            completion.add_done_callback(lambda _: self._finish(intake, share, record))


COPIES: dict[str, type[consuming._Loop]] = {
    "commit before effect": CommitsBeforeEffect,
    "ack on exception": AcksOnException,
}


def break_for_good(copy: str) -> None:
    """Put a copy in the loop's place for the rest of this process."""
    consuming._Loop = COPIES[copy]  # type: ignore[misc]


@contextmanager
def broken(copy: str) -> Iterator[None]:
    """Put a copy in the loop's place while the block lasts."""
    whole = consuming._Loop
    break_for_good(copy)
    try:
        yield
    finally:
        consuming._Loop = whole  # type: ignore[misc]


if __name__ == "__main__":
    break_for_good(sys.argv.pop(1))
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
