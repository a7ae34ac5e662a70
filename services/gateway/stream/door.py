"""Who is let in? A hub's own limits behind what `authorize` grants, and who holds how many connections."""

from collections import Counter
from dataclasses import replace
from typing import Final

from services.gateway.stream.acknowledged import Acknowledged
from services.gateway.stream.admission import Admission, admit
from services.gateway.stream.ports import Authorize, HeaderView, Problem

FULL_RETRY_S: Final = 10
"""When to come back whose key holds as many connections as it may."""


class Door:
    """Shut until the process knows what it must, and again once it leaves."""

    def __init__(self, authorize: Authorize, most_per_key: int, acknowledged: Acknowledged) -> None:
        """`most_per_key`: connections that one key may hold here at once; 0 for any number."""
        self.open = False
        self._authorize = authorize
        self._most_per_key = most_per_key
        self._acknowledged = acknowledged
        self._held: Counter[str] = Counter()

    def admit(self, view: HeaderView) -> Admission | Problem:
        """Judge the head of a request; a named client that asks for no place goes on where it acknowledged."""
        admission = admit(view, self._authorize)
        if isinstance(admission, Problem):
            return admission
        if refused := self.no_room(admission.key):
            return refused
        if admission.name and admission.requested is None and admission.since is None:
            return replace(admission, requested=self._acknowledged.of(admission.subscriber, admission.name))
        return admission

    def no_room(self, key: str) -> Problem | None:
        """Why this key may open no stream at the moment, if so; asked again where something was awaited meanwhile."""
        if not self.open:
            wait = (("retry-after", "1"),)
            return Problem(503, "The stream is not open", "This process is starting or stopping.", headers=wait)
        if 0 < self._most_per_key <= self._held[key]:
            wait = (("retry-after", str(FULL_RETRY_S)),)
            detail = f"This key holds {self._most_per_key} connections here, as many as it may at once."
            return Problem(429, "Too many connections", detail, headers=wait)
        return None

    def enter(self, key: str) -> None:
        """Count a connection of this key."""
        self._held[key] += 1

    def leave(self, key: str) -> None:
        """Count it no longer."""
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
