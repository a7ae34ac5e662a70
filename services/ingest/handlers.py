"""What happens to a filing at the door: parsed, identified, given its lane, and accepted once the broker has it."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.ingest.identity import story_id_for
from services.ingest.parsed import Parsed
from services.ingest.ports import Publishing
from services.ingest.proposals import Proposals
from services.ingest.quota import FlashQuota
from shared.domain.errors import Refusal
from shared.domain.events import (
    Correction,
    Decision,
    DeskDecided,
    Filed,
    StoryReceived,
    derived_id,
    encode_event,
    epoch_us,
)
from shared.domain.item import rfc3339
from shared.domain.state import Principal, VersionState
from shared.domain.story import DERIVED_ROLE, Kind, Lane, content_hash, is_embargoed
from shared.platform.clock import Clock
from shared.platform.envelopes import headers_for
from shared.platform.topics import Topic

ROUTINE_URGENCY = 4


class MovedOn(Refusal):
    """`If-Match` named a version that is not the newest any more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a filing asks for beside its text (query and headers); None where it says nothing."""

    urgency: int | None = None
    embargo_until: datetime | None = None
    source: str | None = None
    story_id: str | None = None
    kind: Kind | None = None
    idempotency: str | None = None
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a filing. `duplicate`: nothing new was taken, `event_id` is that of the first filing."""

    event_id: str
    story_id: str
    version: int
    assigned: bool
    kind: Kind
    lane: Lane
    accepted_at: datetime
    duplicate: bool = False
    labels: tuple[str, ...] = field(default=())
    embargo_until: datetime | None = None

    def body(self) -> dict[str, Any]:
        """The JSON of `interfaces`, "Filing content"."""
        answer: dict[str, Any] = {
            "event_id": self.event_id,
            "story_id": self.story_id,
            "version": self.version,
            "assigned": self.assigned,
            "kind": self.kind.value,
            "lane": self.lane.value,
            "accepted_at": rfc3339(self.accepted_at),
        }
        if self.duplicate:
            answer["duplicate"] = True
        if self.labels:
            answer["labels"] = list(self.labels)
        if self.embargo_until:
            answer["embargo_until"] = rfc3339(self.embargo_until)
        return answer


@dataclass(slots=True)
class Door:
    """Takes filings of any form. Every method may be called again with the same input after a failure."""

    publisher: Publishing
    proposals: Proposals
    quota: FlashQuota
    clock: Clock
    within: float

    async def file(self, parsed: Parsed, asked: Asked, principal: Principal) -> Accepted:
        """Accept a story. Raises `MovedOn`, and `PublishError` when the broker does not confirm in time."""
        source = asked.source or principal.source
        story_id = asked.story_id or story_id_for(source, parsed)
        if asked.if_match is not None and asked.if_match != self.proposals.newest(story_id):
            raise MovedOn(f"the story has moved on to version {self.proposals.newest(story_id)}")
        story = _own_bodies({**parsed.story, "uri": story_id})
        digest = content_hash(story)
        kind = asked.kind or self.proposals.kind_of(story_id)
        if kind is not Kind.REPEAT and (known := self.proposals.duplicate_of(story_id, digest)):
            return self._duplicate(known, story_id)
        version, assigned = self._version(parsed, asked, story_id)
        filed = self._filed(parsed, asked, principal, source, story, digest, kind, assigned)
        event_id = _event_id(source, asked, story_id, parsed.provider_version, kind, digest)
        return await self._accept(event_id, story_id, version, filed)

    async def correct(
        self, story_id: str, partial: dict[str, Any], correction: Correction, asked: Asked, principal: Principal
    ) -> Accepted:
        """Accept a correction of a known or unknown story; moderation merges it, or refuses on the receipt."""
        source = asked.source or principal.source
        version = self.proposals.newest(story_id) + 1
        state = self.proposals.state(story_id)
        newest = state.versions.get(state.newest) if state else None
        urgency = asked.urgency or (newest.urgency if newest else ROUTINE_URGENCY)
        partial = _own_bodies(partial)
        filed = Filed(
            kind=Kind.CORRECT,
            lane=self.quota.lane_for(source, urgency),
            urgency=urgency,
            source=source,
            trust=principal.trust,
            assigned=True,
            content_hash=content_hash(partial),
            story=partial,
            correction=correction,
            if_match=asked.if_match,
            filed_by=principal.person,
        )
        event_id = _event_id(source, asked, story_id, None, Kind.CORRECT, filed.content_hash)
        return await self._accept(event_id, story_id, version, filed)

    async def cancel(self, parsed: Parsed, asked: Asked, principal: Principal) -> Accepted:
        """A source takes its own story back: it is withheld at once, and the desk is asked for the kill."""
        source = asked.source or principal.source
        story_id = asked.story_id or story_id_for(source, parsed)
        withhold = derived_id("cancel", source, story_id, str(parsed.provider_version), "withhold")
        await self._decide(story_id, withhold, "withhold", f"source {source}")
        kill = derived_id("cancel", source, story_id, str(parsed.provider_version), "kill")
        await self._decide(story_id, kill, "kill", f"source {source}")
        version = parsed.provider_version or self.proposals.newest(story_id)
        now = self.clock.now()
        return Accepted(withhold, story_id, version, False, Kind.WITHHOLD, Lane.FLASH, now)

    def _version(self, parsed: Parsed, asked: Asked, story_id: str) -> tuple[int, bool]:
        """A provider's number is final, unless the caller asks to file as the story's next version."""
        if parsed.provider_version is not None and asked.story_id is None:
            return parsed.provider_version, False
        return self.proposals.newest(story_id) + 1, True

    def _filed(
        self,
        parsed: Parsed,
        asked: Asked,
        principal: Principal,
        source: str,
        story: dict[str, Any],
        digest: str,
        kind: Kind,
        assigned: bool,
    ) -> Filed:
        urgency = asked.urgency or parsed.urgency or ROUTINE_URGENCY
        embargo, labels = self._embargo(parsed, asked)
        return Filed(
            kind=kind,
            lane=self.quota.lane_for(source, urgency),
            urgency=urgency,
            source=source,
            trust=principal.trust,
            assigned=assigned,
            content_hash=digest,
            story={**story, "urgency": urgency},
            section=parsed.section,
            embargo_until=embargo,
            if_match=asked.if_match,
            filed_by=principal.person,
            language=parsed.story.get("language"),
            published_at=parsed.published_at,
            labels=(*parsed.labels, *labels),
        )

    def _embargo(self, parsed: Parsed, asked: Asked) -> tuple[datetime | None, tuple[str, ...]]:
        """Where query and body differ the later wins; one that is over already is none, and labelled."""
        until = max((each for each in (parsed.embargo_until, asked.embargo_until) if each), default=None)
        if until is None or is_embargoed(until, self.clock.now()):
            return until, ()
        return None, ("embargo-over",)

    async def _accept(self, event_id: str, story_id: str, version: int, filed: Filed) -> Accepted:
        now = self.clock.now()
        event = StoryReceived(
            event_id=event_id,
            story_id=story_id,
            version=version,
            occurred_at=now,
            producer="ingest",
            stage_times={"accepted": epoch_us(now)},
            data=filed,
        )
        topic = Topic.RECEIVED_FLASH if filed.lane is Lane.FLASH else Topic.RECEIVED
        await self.publisher.publish(topic, story_id, encode_event(event), headers_for(event), deadline=self.within)
        self.proposals.accepted(story_id, version, event_id)
        return Accepted(
            event_id,
            story_id,
            version,
            filed.assigned,
            filed.kind,
            filed.lane,
            now,
            labels=filed.labels,
            embargo_until=filed.embargo_until,
        )

    async def _decide(self, story_id: str, event_id: str, action: str, person: str) -> None:
        now = self.clock.now()
        decision: dict[str, object] = {"action": action, "decision_id": event_id, "person": person, "by_source": True}
        decision["reason"] = "canceled by its source"
        event = DeskDecided(
            event_id=event_id,
            story_id=story_id,
            occurred_at=now,
            producer="ingest",
            stage_times={"accepted": epoch_us(now)},
            data=Decision.model_validate(decision),
        )
        await self.publisher.publish(
            Topic.INBOX_FLASH, story_id, encode_event(event), headers_for(event), deadline=self.within
        )

    def _duplicate(self, known: VersionState, story_id: str) -> Accepted:
        """Answer as the first filing of this text was answered."""
        event_id = known.filed_as or known.event_id
        now = self.clock.now()
        return Accepted(event_id, story_id, known.version, known.assigned, known.kind, known.lane, now, duplicate=True)


def _own_bodies(story: dict[str, Any]) -> dict[str, Any]:
    """Take our own mark for derived bodies off what was filed: such bodies are left out of the content hash."""
    if not any(body.get("role") == DERIVED_ROLE for body in story.get("bodies", ())):
        return story
    marked = [{key: value for key, value in body.items() if key != "role"} for body in story["bodies"]]
    kept = [
        own if body.get("role") == DERIVED_ROLE else body for body, own in zip(story["bodies"], marked, strict=True)
    ]
    return {**story, "bodies": kept}


def _event_id(source: str, asked: Asked, story_id: str, provider_version: int | None, kind: Kind, digest: str) -> str:
    """Design 4.3: derived where the caller or the provider gives something to derive it from, else random."""
    if asked.idempotency is not None:
        return derived_id("door", source, asked.idempotency, story_id, digest)
    if provider_version is not None and kind is not Kind.REPEAT:
        return derived_id("door", story_id, str(provider_version), digest)
    return str(uuid.uuid4())
