"""What does enrichment make of a filing: the same story, cleaned and described, as the event that follows from it?"""

from dataclasses import dataclass
from typing import Final

from services.enrich.ports import Duplicates, Enriching
from services.enrich.steps import Enrichment
from services.enrich.steps import Facts as Found
from shared.domain.errors import Undecodable
from shared.domain.events import (
    Enriched,
    Filed,
    NearDuplicate,
    Span,
    StoryEnriched,
    StoryReceived,
    derived_id,
    epoch_us,
)
from shared.domain.facts import Facts, slug
from shared.domain.story import Kind, Lane, plain_body_of
from shared.platform.clock import Clock
from shared.platform.logs import logger

PRODUCER: Final = "enrich"


@dataclass(frozen=True, slots=True)
class Describer:
    """Enriches filings of one lane. No I/O and no memory of its own: the same filing may come again."""

    lane: Lane
    steps: Enriching
    duplicates: Duplicates
    clock: Clock

    def describe(self, event: StoryReceived) -> StoryEnriched:
        """Return the event for the desk; its id follows from the input's (design 4.3), so a repeat is recognised.

        A step that fails leaves a label (`enrichment-failed:<step>`). Raises Undecodable for a story that is no
        ninjs at all: it could be neither cleaned nor shown.
        """
        lane = Lane.FLASH if Lane.FLASH in (self.lane, event.data.lane) else Lane.ROUTINE  # raised, never lowered
        data = self._described(event, lane)
        now = self.clock.now()
        # a clock behind the one before it must not make time run backwards in the flight record
        enriched_at = max((epoch_us(now), *event.stage_times.values()))
        return StoryEnriched(
            event_id=derived_id(PRODUCER, event.event_id),
            tenant=event.tenant,
            story_id=event.story_id,
            version=event.version,
            release_no=event.release_no,
            occurred_at=now,
            producer=PRODUCER,
            cause=event.event_id,
            stage_times={**event.stage_times, "enriched": enriched_at},
            data=data,
        )

    def _described(self, event: StoryReceived, lane: Lane) -> Enriched:
        filed = event.data
        made = self._stepped(event)
        has_text = bool(plain_body_of(made.story))
        found = {
            "lane": lane,
            "story": made.story,
            "labels": tuple(dict.fromkeys((*filed.labels, *made.labels))),
            "facts": _facts(filed, made.facts, lane),
            "contacts": tuple(Span(kind=hit.kind, start=hit.start, end=hit.end) for hit in made.facts.contacts),
            "near_duplicate": self._near_duplicate(event, made) if has_text else None,
            "text_hash": made.facts.text_hash if has_text else "",
        }
        return Enriched.model_validate({**dict(filed), **found})

    def _stepped(self, event: StoryReceived) -> Enrichment:
        filed = event.data
        try:
            made = self.steps.enrich(
                filed.story,
                section=filed.section,
                source_language=filed.language,
                published_at=filed.published_at,
                partial=filed.kind is Kind.CORRECT,
            )
        except Exception as error:  # no step failed: this is no story, and it must not pass uncleaned
            raise Undecodable(f"the story is no ninjs: {type(error).__name__}") from error
        for failure in made.failures:
            logger().warning("enrich.step_failed", story_id=event.story_id, step=failure.step, reason=failure.reason)
        return made

    def _near_duplicate(self, event: StoryReceived, made: Enrichment) -> NearDuplicate | None:
        """Ask the index; that it cannot answer is no reason to hold up or mark a story."""
        try:
            return self.duplicates.like(event.story_id, plain_body_of(made.story), made.facts.text_hash)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the index, the story goes on
            logger().warning("enrich.lookup_failed", story_id=event.story_id, reason=type(error).__name__)
            return None


def _facts(filed: Filed, found: Found, lane: Lane) -> Facts:
    """Return what filters judge the filing on; a correction adds to those of its base only what it says itself."""
    correction = filed.kind is Kind.CORRECT
    own = {slug(filed.section)} - {""} if filed.section else set()

    def told(field: str) -> bool:
        return not correction or "bodies" in filed.story or field in filed.story

    return Facts(
        sections=tuple(own if correction else own.union(found.sections)),
        subjects=found.subjects if told("subjects") else (),
        places=found.places if told("places") else (),
        sources=(filed.source,),
        languages=(found.language,) if found.language and told("language") else (),
        urgency=filed.urgency,
        lanes=(lane,),
    )
