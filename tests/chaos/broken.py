"""How is a service started that is broken on purpose? `python -m tests.chaos.broken SERVICE`, the copy in CHAOS_COPY.

The accountant must find each of these; without CHAOS_COPY the service is the real one.
"""

import os
import runpy
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from services.distribution.deliveries import Delivery
from services.distribution.dispatch import Dispatch
from shared.domain.delivery import Verdict
from tests.fakes.broken_runner import break_for_good
from tests.simulation.copies import Hasty, Ungated

COPY = "CHAOS_COPY"


class Unnumbered(Dispatch):
    """Asks the gate for kills only: which release is the newer one is nobody's question."""

    __slots__ = ()

    def _verdict(self, delivery: Delivery, has: int) -> Verdict:
        verdict = Dispatch._verdict(self, delivery, has)
        return Verdict.SEND if verdict is Verdict.SUPERSEDED else verdict


def _moderation(**parts: Any) -> None:
    from services.moderation import main

    _exchange(main, parts)


def _distribution(**parts: Any) -> None:
    from services.distribution import owner

    _exchange(owner, parts)


def _exchange(module: ModuleType, parts: Mapping[str, Any]) -> None:
    for name, part in parts.items():
        if not hasattr(module, name):
            raise AttributeError(f"{name} is put together elsewhere by now: this copy would be the real one")
        setattr(module, name, part)


COPIES: dict[str, Callable[[], None]] = {
    "commit before effect": lambda: break_for_good("commit before effect"),
    "ack on exception": lambda: break_for_good("ack on exception"),
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
