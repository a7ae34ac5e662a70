"""What may the holder of a key see at all? Its subscriber's products, within which every answer is, before all else."""

from collections.abc import Callable
from typing import Final

from services.gateway.registry import Registry
from shared.domain.keys import Scope, has_scope
from shared.domain.products import Bounds
from shared.domain.state import Principal

Visible = Callable[[Principal | None], Bounds]
"""None: the public site, which has no key."""

_SEEING_ALL: Final[tuple[Scope, ...]] = ("desk", "editor", "operator")


def everything(_: Principal | None) -> Bounds:
    """No bounds."""
    return None


def by_products(registry: Registry) -> Visible:
    """Keys of a subscriber see what is within its products; desk, editors, operators and the public site see all."""

    def visible(principal: Principal | None) -> Bounds:
        if principal is None or principal.subscriber is None or any(has_scope(principal, each) for each in _SEEING_ALL):
            return None
        return registry.bounds(principal.subscriber)

    return visible
