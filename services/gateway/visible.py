"""What may the holder of a key see at all? The filters that every answer is narrowed to, before its own."""

from collections.abc import Callable

from services.gateway.stories import Within
from shared.domain.state import Principal

Visible = Callable[[Principal | None], Within]
"""None: the public site, which has no key."""


def everything(_: Principal | None) -> Within:
    """No bounds."""
    return ()
