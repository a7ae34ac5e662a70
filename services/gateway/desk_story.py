"""How does a story look at the desk: its queue entries, its versions, what is known of it in any state?"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from shared.domain.events import epoch_us, from_epoch_us
from shared.domain.facts import Facts
from shared.domain.item import WireTime
from shared.domain.state import Evidence, KillRecord, PendingKill, Stage, StoryState, StoryText, VersionState
from shared.domain.story import Kind, Lane


class Waiting(BaseModel):
    """One thing in the queue: a decision for its second person, a held version, or an embargoed one."""

    waits_for: Literal["second_person", "editor", "time"]
    story_id: str
    version: int | None = None
    reason: str | None = Field(default=None, examples=["names a minor"])
    queue: str | None = None
    evidence: tuple[Evidence, ...] = ()
    since: WireTime
    age_s: float
    urgency: int | None = None
    lane: Lane | None = None
    source: str | None = None
    embargo_until: AwareDatetime | None = None
    decision_id: str | None = None
    person: str | None = None
    expires_at: WireTime | None = None
    deadline: WireTime | None = None
    overdue: bool = False


class DeskVersion(BaseModel):
    """One version in whatever state. `story` is None when its text is not kept, or not this reader's to see."""

    version: int
    stage: Stage
    kind: Kind
    source: str
    urgency: int
    lane: Lane
    assigned: bool
    event_id: str
    embargo_until: AwareDatetime | None = None
    reason: str | None = None
    queue: str | None = None
    evidence: tuple[Evidence, ...] = ()
    since: WireTime
    facts: Facts
    labels: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    story: dict[str, Any] | None = None


class DeskStory(BaseModel):
    """A story in any state, with all its versions, newest first."""

    story_id: str
    newest: int
    released: int | None
    release_no: int
    withheld: bool
    killed: KillRecord | None
    pending: PendingKill | None
    versions: list[DeskVersion]


def queue(states: Iterable[StoryState], now: datetime) -> list[Waiting]:
    """Return what waits: pending decisions, then held, then embargoed versions, each the longest waiting first.

    Held ones that are past their deadline come before the others: nothing else happens to them.
    """
    found = [waiting for state in states for waiting in _waiting(state, now)]
    order = {"second_person": 0, "editor": 1, "time": 2}
    return sorted(found, key=lambda one: (order[one.waits_for], not one.overdue, one.since))


def _waiting(state: StoryState, now: datetime) -> Iterable[Waiting]:
    pending = state.pending
    if pending is not None and pending.expires_at > now:
        yield Waiting(
            waits_for="second_person",
            story_id=state.story_id,
            version=state.newest or None,
            reason=pending.reason,
            since=pending.asked_at,
            age_s=_age(epoch_us(pending.asked_at), now),
            decision_id=pending.decision_id,
            person=pending.person,
            expires_at=pending.expires_at,
        )
    for version in state.versions.values():
        if version.stage in (Stage.HELD, Stage.EMBARGOED):
            yield _waiting_version(state.story_id, version, now)


def _waiting_version(story_id: str, version: VersionState, now: datetime) -> Waiting:
    return Waiting(
        waits_for="editor" if version.stage is Stage.HELD else "time",
        story_id=story_id,
        version=version.version,
        reason=version.reason,
        queue=version.queue,
        evidence=version.evidence,
        since=from_epoch_us(version.since),
        age_s=_age(version.since, now),
        urgency=version.urgency,
        lane=version.lane,
        source=version.source,
        embargo_until=version.embargo_until,
        deadline=version.deadline,
        overdue=version.deadline is not None and version.deadline <= now,
    )


def desk_story(state: StoryState, texts: dict[int, StoryText]) -> DeskStory:
    """Return the story as the desk sees it; `texts` are those this reader may see, by version."""
    versions = sorted(state.versions.values(), key=lambda version: version.version, reverse=True)
    return DeskStory(
        story_id=state.story_id,
        newest=state.newest,
        released=state.released,
        release_no=state.release_no,
        withheld=state.withheld,
        killed=state.killed,
        pending=state.pending,
        versions=[_version(version, texts.get(version.version)) for version in versions],
    )


def _version(version: VersionState, text: StoryText | None) -> DeskVersion:
    known = version.model_dump(exclude={"content_hash", "text", "since"})
    return DeskVersion(
        **known,
        since=from_epoch_us(version.since),
        labels=text.labels if text else (),
        changes=text.changes if text else (),
        story=text.story if text else None,
    )


def _age(since_us: int, now: datetime) -> float:
    return max((epoch_us(now) - since_us) / 1_000_000, 0.0)
