"""What must a class be to take the tests of senders?"""

from typing import Protocol, Self

from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.names import Lookup
from services.distribution.sending import Sender
from shared.platform.egress import EgressPolicy
from shared.platform.failpoints import Failpoints


class OpenSender(Sender, Protocol):
    """A sender that is closed at the end of a block."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, kind: object, error: object, trace: object) -> None: ...


class NewSender(Protocol):
    """Makes one; every sender is told the same things."""

    def __call__(
        self,
        policy: EgressPolicy,
        budgets: Budgets = ...,
        lookup: Lookup = ...,
        authorities: str | None = ...,
        failpoints: Failpoints | None = ...,
    ) -> OpenSender: ...
