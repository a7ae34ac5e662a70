"""What does the handler need beside the filing: the steps, and the memory of what has been on the wire."""

from datetime import datetime
from typing import Any, Protocol

from services.enrich.steps import Enrichment
from shared.domain.events import NearDuplicate


class Enriching(Protocol):
    """The chain of steps (`services.enrich.steps.Steps`)."""

    def enrich(
        self,
        story: dict[str, Any],
        *,
        section: str | None,
        source_language: str | None,
        published_at: datetime | None,
        partial: bool = False,
    ) -> Enrichment:
        """Give the story cleaned and described; raises only for what is no ninjs."""


class Duplicates(Protocol):
    """The texts that were on the wire lately. Asked from another thread than the one that keeps it up to date."""

    def like(self, story_id: str, text: str, text_hash: str) -> NearDuplicate | None:
        """Name another story with much the same text; None where there is none, or none is known yet."""
