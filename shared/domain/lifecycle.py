"""What may happen to a story: `decide` takes its state and one input, and returns the state after it.

Pure: the same state, input and time give the same answer. Every input is entered in `applied`, also one
that changes nothing; what goes on the wire is named by the entry (`Applied.release`), so a replay of the
newest entry can put out the same again (design, section 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.domain.events import Decision, Enriched, epoch_us
from shared.domain.facts import Facts
from shared.domain.state import (
    Applied,
    Evidence,
    KillRecord,
    Outcome,
    PendingKill,
    ReleaseNote,
    Stage,
    StoryState,
    TextRef,
    VersionState,
)
from shared.domain.story import Kind, Lane, is_embargoed, lane_of

KILL_WAITS: Final = timedelta(hours=24)
"""A kill without its second person expires after this."""

APPLIED_KEPT: Final = timedelta(days=35)

CHAIN_WITHIN: Final = timedelta(minutes=5)
"""How long a correction waits for what it corrects before somebody should look: far longer than any lane takes."""

INPUTS_KEPT: Final = 2_000
VERSIONS_KEPT: Final = 1_000
"""Of a story that is updated all day; more inputs than can come again, and a record that always fits its topic."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules said of a filing: allow (labels at most), or hold in a queue with the reason and evidence.

    `within`: how soon somebody should decide on what is held.
    """

    outcome: Literal["allow", "hold", "block"] = "allow"
    reason: str | None = None
    queue: str | None = None
    evidence: tuple[Evidence, ...] = ()
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Filing:
    """A filing as the desk sees it. `content_hash` of a correction is that of the merge.

    `stage_times` are those of its own way so far: a repeat goes out with them, not with the first filing's.
    `filed_as` is the event_id its 202 named (that of enrichment's event is derived from it). `awaits`: the version it
    corrects, which has not come. `continues`: the version as which it waited for that, now that it has.
    """

    event_id: str
    version: int
    filed: Enriched
    ruling: Ruling
    text: TextRef | None = None
    refused: str | None = None
    stage_times: Mapping[str, int] = field(default_factory=dict)
    filed_as: str | None = None
    awaits: int | None = None
    continues: VersionState | None = None


@dataclass(frozen=True, slots=True)
class Deciding:
    """A desk decision and the id under which it is entered."""

    event_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Lifting:
    """An embargo said to be over."""

    event_id: str
    version: int
    due_at: datetime


Input = Filing | Deciding | Lifting


@dataclass(frozen=True, slots=True)
class Position:
    """Where the input lies, so that a restart knows whether its outputs were confirmed."""

    topic: str = ""
    partition: int = -1
    offset: int = -1


NOWHERE: Final = Position()


def decide(state: StoryState, given: Input, now: datetime, at: Position = NOWHERE) -> StoryState:
    """Return the state after `given`; its newest `applied` entry says what came of it.

    Not for inputs already entered (see `StoryState.entry`), nor for a lift whose time has not come:
    the caller leaves those out. `now` is the broker's time, aware UTC.
    """
    desk = _Desk(_expired(state, now), given.event_id, now, at)
    match given:
        case Filing():
            return _file(desk, given)
        case Deciding(decision=decision):
            return _DECISIONS[decision.action](desk, decision)
        case Lifting():
            return _lift(desk, given)


def keeps_text(state: StoryState, given: Filing) -> bool:
    """Tell, from the state after `given`, whether its text must lie in `story.text` before that state is written."""
    entry = state.applied[-1]
    version = state.versions.get(entry.version or 0)
    return (
        version is not None
        and version.event_id == _filing_id(given)
        and version.stage in {Stage.HELD, Stage.EMBARGOED, Stage.RELEASED}
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """One input being applied: the state so far, and how its entry will be made."""

    state: StoryState
    event_id: str
    now: datetime
    at: Position

    def with_version(self, version: VersionState) -> "_Desk":
        versions = {**self.state.versions, version.version: version}
        newest = self.state.newest if version.awaits else max(self.state.newest, version.version)
        return replace(self, state=self.state.model_copy(update={"versions": versions, "newest": newest}))

    def with_state(self, **update: object) -> "_Desk":
        return replace(self, state=self.state.model_copy(update=update))

    def staged(self, version: VersionState, stage: Stage, reason: str | None = None, **more: object) -> "_Desk":
        update = {"stage": stage, "reason": reason, "since": epoch_us(self.now), **more}
        if stage is not Stage.HELD:
            update["deadline"] = None
        return self.with_version(version.model_copy(update=update))

    def end(
        self,
        outcome: Outcome,
        version: int | None = None,
        reason: str | None = None,
        release: ReleaseNote | None = None,
        drop: tuple[int, ...] = (),
        decision_id: str | None = None,
    ) -> StoryState:
        entry = Applied(
            event_id=self.event_id,
            outcome=outcome,
            at=epoch_us(self.now),
            version=version,
            release=release,
            drop=drop,
            reason=reason,
            decision_id=decision_id,
            topic=self.at.topic,
            partition=self.at.partition,
            offset=self.at.offset,
        )
        horizon = epoch_us(self.now - APPLIED_KEPT)
        kept = [old for old in self.state.applied if old.at >= horizon][1 - INPUTS_KEPT :]
        if kept and kept[-1].release:
            kept[-1] = kept[-1].model_copy(update={"release": _confirmed(kept[-1].release)})
        return self.state.model_copy(update={"applied": (*kept, entry), "versions": self._kept_versions()})

    def _kept_versions(self) -> dict[int, VersionState]:
        versions = self.state.versions
        ended = [number for number, version in versions.items() if version.text is None and number < self.state.newest]
        passed = set(sorted(ended)[: max(0, len(versions) - VERSIONS_KEPT)])
        return {number: version for number, version in versions.items() if number not in passed}


def _confirmed(note: ReleaseNote) -> ReleaseNote:
    """Return what is kept of a release once another input was taken: its outputs are never built again."""
    return note.model_copy(update={"facts": Facts(), "reach": None, "text": None})


# --- filings -------------------------------------------------------------------------------------------


def _file(desk: _Desk, given: Filing) -> StoryState:
    state, filed = desk.state, given.filed
    if state.killed:
        return desk.end(Outcome.KILLED, reason="the story was killed; nothing can be filed under its id")
    if given.continues and (given.refused or given.continues.version < state.newest):
        return _end_waiting(desk, given.continues, given.refused)
    if given.refused:
        return desk.end(Outcome.REFUSED, reason=given.refused)
    if given.awaits:
        return _await(desk, given, given.awaits)
    if filed.if_match is not None and filed.if_match != state.newest:
        return desk.end(Outcome.REFUSED, reason=f"the story has moved on to version {state.newest}")
    current = state.versions.get(state.newest)
    if filed.kind is Kind.REPEAT and current and filed.content_hash == current.content_hash:
        return _repeat(desk, given, current)
    corrects = filed.correction is not None  # merged and found to change something, if only outside the content
    if current and filed.content_hash == current.content_hash and not corrects:
        return desk.end(Outcome.DUPLICATE, current.version, "the same text as the current version")
    return _enter(desk, given)


def _repeat(desk: _Desk, given: Filing, current: VersionState) -> StoryState:
    if current.stage is not Stage.RELEASED or desk.state.withheld:
        return desk.end(Outcome.REFUSED, current.version, "only a released version can be repeated")
    state = _release(desk, current, Kind.REPEAT)
    entry = state.applied[-1]
    if entry.release is None:
        return state
    note = entry.release.model_copy(update={"stage_times": dict(given.stage_times)})
    return state.model_copy(update={"applied": (*state.applied[:-1], entry.model_copy(update={"release": note}))})


def _enter(desk: _Desk, given: Filing) -> StoryState:
    """Give the filing its version and stage."""
    state, filed = desk.state, given.filed
    known = None if filed.assigned or given.continues else state.versions.get(given.version)
    if known and known.content_hash == filed.content_hash:
        return desk.end(Outcome.DUPLICATE, known.version, "this version was filed before")
    if known is None and given.version < state.newest and (not filed.assigned or _was_overtaken(state, given)):
        late = _version_of(given, given.version, None, desk.now)
        passed = f"version {state.newest} was filed before it"
        return desk.staged(late, Stage.SUPERSEDED, passed, text=None).end(Outcome.SUPERSEDED, late.version, passed)
    final = (not filed.assigned or given.continues) and known is None
    number = given.version if final else _free(state, max(given.version, state.newest + 1))
    embargo = _embargo_of(state, filed.embargo_until, desk.now)
    version = _version_of(given, number, embargo, desk.now)
    reason, queue = _why_hold(state, given, known)
    if given.ruling.outcome == "block":
        return desk.staged(version, Stage.REJECTED, reason, text=None).end(Outcome.REJECTED, number, reason)
    if reason:
        within = given.ruling.within
        held = desk.staged(version, Stage.HELD, reason, queue=queue, deadline=within and desk.now + within)
        return _lengthened(held, version).end(Outcome.HELD, number, reason)
    if is_embargoed(embargo, desk.now):
        return _lengthened(desk.staged(version, Stage.EMBARGOED), version).end(Outcome.EMBARGOED, number)
    return _release(desk, version, filed.kind)


def _was_overtaken(state: StoryState, given: Filing) -> bool:
    """Tell whether an assigned version was filed before the newest one, which came first by the other lane."""
    newest = state.versions.get(state.newest)
    accepted = given.stage_times.get("accepted", 0)
    return given.version not in state.versions and newest is not None and 0 < accepted < newest.accepted


def _free(state: StoryState, number: int) -> int:
    """Return the first version from `number` on that nothing has, not even a correction that waits."""
    while number in state.versions:
        number += 1
    return number


def _filing_id(given: Filing) -> str:
    return given.continues.event_id if given.continues else given.event_id


def _await(desk: _Desk, given: Filing, awaits: int) -> StoryState:
    """Hold a correction until what it corrects has come; it changes nothing for anybody until then."""
    number = _free(desk.state, given.version)
    reason = f"it corrects version {awaits}, which has not come"
    version = _version_of(given, number, given.filed.embargo_until, desk.now)
    version = version.model_copy(update={"awaits": awaits, "deadline": desk.now + CHAIN_WITHIN})
    return desk.staged(version, Stage.HELD, reason, queue="chain").end(Outcome.HELD, number, reason)


def _end_waiting(desk: _Desk, version: VersionState, refused: str | None) -> StoryState:
    """End a correction that waited and is of no use any more."""
    reason = refused or f"version {desk.state.newest} was filed before it"
    stage, outcome = (Stage.REJECTED, Outcome.REJECTED) if refused else (Stage.SUPERSEDED, Outcome.SUPERSEDED)
    return desk.staged(version, stage, reason, text=None).end(outcome, version.version, reason, drop=(version.version,))


def _version_of(given: Filing, number: int, embargo: datetime | None, now: datetime) -> VersionState:
    filed = given.filed
    return VersionState(
        version=number,
        stage=Stage.HELD,
        kind=filed.kind,
        content_hash=filed.content_hash,
        event_id=_filing_id(given),
        filed_as=given.filed_as,
        source=filed.source,
        urgency=filed.urgency,
        lane=filed.lane,
        assigned=filed.assigned,
        embargo_until=embargo,
        text=given.text,
        facts=filed.facts,
        evidence=given.ruling.evidence,
        since=epoch_us(now),
        accepted=given.stage_times.get("accepted", 0),
    )


def _why_hold(state: StoryState, given: Filing, known: VersionState | None) -> tuple[str | None, str | None]:
    if given.ruling.outcome != "allow":
        return given.ruling.reason, given.ruling.queue
    if known:
        return f"version {known.version} was filed before with other content", "conflicts"
    if state.withheld:
        return "the story is withheld", "withheld"
    waiting = [version for version in _not_passed(state) if version.stage in {Stage.HELD, Stage.EMBARGOED}]
    newest = max(waiting, key=lambda version: version.version, default=None)
    if newest and newest.stage is Stage.HELD:
        return f"version {newest.version} is held", newest.queue
    return None, None


def _not_passed(state: StoryState) -> list[VersionState]:
    """Return the versions newer than what is released; a rejected one among them ends nobody else's waiting."""
    released = state.released or 0
    return [version for number, version in state.versions.items() if number > released and version.awaits is None]


def _embargo_of(state: StoryState, asked: datetime | None, now: datetime) -> datetime | None:
    """Filing may lengthen an embargo that stands, never shorten it; to reject a version shortens nothing either."""
    standing = [version.embargo_until for version in _not_passed(state) if version.stage is not Stage.SUPERSEDED]
    until = max((time for time in (asked, *standing) if time), default=None)
    return until if is_embargoed(until, now) else None


def _lengthened(desk: _Desk, by: VersionState) -> _Desk:
    """Let older versions that wait for their time wait as long as `by`: they tell of the same before it."""
    for version in desk.state.versions.values():
        until = version.embargo_until
        waits = version.stage in {Stage.EMBARGOED, Stage.HELD} and version.version < by.version
        if waits and until and by.embargo_until and until < by.embargo_until:
            desk = desk.with_version(version.model_copy(update={"embargo_until": by.embargo_until}))
    return desk


# --- releases ------------------------------------------------------------------------------------------


def _release(desk: _Desk, version: VersionState, kind: Kind) -> StoryState:
    """Put a version on the wire; anything older than what is released is superseded instead."""
    state = desk.state
    if state.released is not None and version.version < state.released:
        reason = f"version {state.released} is already released"
        done = desk.staged(version, Stage.SUPERSEDED, reason, text=None)
        return done.end(Outcome.SUPERSEDED, version.version, reason, drop=(version.version,))
    kind = Kind.PUBLISH if state.released is None else kind
    if kind is Kind.PUBLISH and state.released is not None:
        kind = Kind.UPDATE
    before = state.released if state.released != version.version else None
    note = ReleaseNote(
        release_no=state.release_no + 1,
        kind=kind,
        version=version.version,
        lane=version.lane,  # routine also for a flash beyond its source's quota
        at=epoch_us(desk.now),
        facts=version.facts,
        text=version.text,
        supersedes=state.release_no or None,
        reach=_reach(state.reach, version.facts),
    )
    older = tuple(
        number
        for number, other in state.versions.items()
        if number < version.version and other.stage in {Stage.HELD, Stage.EMBARGOED}
    )
    done = desk.staged(version, Stage.RELEASED)
    for number in older:
        passed = f"version {version.version} passed it"
        done = done.staged(done.state.versions[number], Stage.SUPERSEDED, passed, text=None)
    if before is not None:
        done = done.with_version(done.state.versions[before].model_copy(update={"text": None, "facts": Facts()}))
    done = done.with_state(
        released=version.version,
        release_no=note.release_no,
        withheld=False,
        reach=note.reach,
        first_released_at=state.first_released_at or note.at,
    )
    return done.end(
        Outcome.RELEASED, version.version, release=note, drop=(*older, *((before,) if before is not None else ()))
    )


def _reach(reach: Facts | None, facts: Facts) -> Facts:
    return facts if reach is None else reach.union(facts)


def _notice(desk: _Desk, kind: Kind, replacement: str | None = None) -> ReleaseNote:
    """A withhold or kill: newest version, no text, always by flash."""
    state = desk.state
    return ReleaseNote(
        release_no=state.release_no + 1,
        kind=kind,
        version=max(state.newest, 1),
        lane=Lane.FLASH,
        at=epoch_us(desk.now),
        facts=(state.reach or Facts()).model_copy(update={"lanes": (Lane.FLASH,)}),
        supersedes=state.release_no or None,
        reach=state.reach or Facts(),
        replacement=replacement,
    )


# --- embargo -------------------------------------------------------------------------------------------


def _lift(desk: _Desk, given: Lifting) -> StoryState:
    version = desk.state.versions.get(given.version)
    if desk.state.killed or version is None or version.stage is not Stage.EMBARGOED:
        return desk.end(Outcome.REFUSED, given.version, "nothing is embargoed under this version")
    if version.embargo_until and version.embargo_until > desk.now:
        return desk.end(Outcome.REFUSED, given.version, "the embargo was lengthened")
    newer = any(
        other.version > version.version
        and other.stage is Stage.EMBARGOED
        and not is_embargoed(other.embargo_until, desk.now)
        for other in desk.state.versions.values()
    )
    if newer:
        reason = "a newer version is due at the same time"
        done = desk.staged(version, Stage.SUPERSEDED, reason, text=None)
        return done.end(Outcome.SUPERSEDED, version.version, reason, drop=(version.version,))
    return _release_due(desk, version)


def _release_due(desk: _Desk, version: VersionState) -> StoryState:
    """Release a version whose embargo is over; on a withheld story it waits on, for a person's release."""
    if desk.state.withheld:
        reason = "the story is withheld"
        return desk.staged(version, Stage.HELD, reason, queue="withheld").end(Outcome.HELD, version.version, reason)
    return _release(desk, version, version.kind)


# --- decisions -----------------------------------------------------------------------------------------


def _waiting(desk: _Desk, decision: Decision) -> VersionState | str:
    """Return the version a decision means (the newest where it names none), or why there is none."""
    if desk.state.killed:
        return "the story was killed"
    number = decision.version or desk.state.newest
    return desk.state.versions.get(number) or f"there is no version {number}"


def _refuse(desk: _Desk, decision: Decision, reason: str) -> StoryState:
    return desk.end(Outcome.REFUSED, decision.version, reason, decision_id=decision.decision_id)


def _decide_release(desk: _Desk, decision: Decision) -> StoryState:
    version = _waiting(desk, decision)
    if isinstance(version, str):
        return _refuse(desk, decision, version)
    if version.awaits:
        return _refuse(desk, decision, f"it corrects version {version.awaits}, which has not come")
    if version.stage is Stage.HELD and is_embargoed(version.embargo_until, desk.now):
        done = desk.staged(version, Stage.EMBARGOED)
        return done.end(Outcome.APPLIED, version.version, "embargoed", decision_id=decision.decision_id)
    back = version.version == desk.state.released or version.stage in {Stage.HELD, Stage.EMBARGOED}
    if desk.state.withheld and back:
        return _released_by(decision, _release(desk, version, Kind.RELEASE))
    if version.stage not in {Stage.HELD, Stage.EMBARGOED}:
        return _refuse(desk, decision, f"version {version.version} is {version.stage}")
    return _released_by(decision, _release(desk, version, version.kind))


def _released_by(decision: Decision, state: StoryState) -> StoryState:
    """Enter a release under the decision that caused it."""
    entry = state.applied[-1]
    outcome = Outcome.APPLIED if entry.outcome in {Outcome.RELEASED, Outcome.HELD} else entry.outcome
    entry = entry.model_copy(update={"outcome": outcome, "decision_id": decision.decision_id})
    return state.model_copy(update={"applied": (*state.applied[:-1], entry)})


def _decide_reject(desk: _Desk, decision: Decision) -> StoryState:
    version = _waiting(desk, decision)
    if isinstance(version, str):
        return _refuse(desk, decision, version)
    if version.stage not in {Stage.HELD, Stage.EMBARGOED}:
        return _refuse(desk, decision, f"version {version.version} is {version.stage}")
    done = desk.staged(version, Stage.REJECTED, decision.note, text=None)
    return done.end(Outcome.APPLIED, version.version, drop=(version.version,), decision_id=decision.decision_id)


def _decide_hold(desk: _Desk, decision: Decision) -> StoryState:
    version = _waiting(desk, decision)
    if isinstance(version, str):
        return _refuse(desk, decision, version)
    if version.stage is Stage.RELEASED:
        return _refuse(desk, decision, "it is already released; withhold the story instead")
    if version.stage not in {Stage.HELD, Stage.EMBARGOED}:
        return _refuse(desk, decision, f"version {version.version} is {version.stage}")
    done = desk.staged(version, Stage.HELD, decision.note or "held by the desk", queue="desk")
    return done.end(Outcome.APPLIED, version.version, decision_id=decision.decision_id)


def _decide_withhold(desk: _Desk, decision: Decision) -> StoryState:
    state = desk.state
    if state.killed:
        return _refuse(desk, decision, "the story was killed")
    if state.withheld:
        return _refuse(desk, decision, "the story is already withheld")
    if state.released is None:
        return _withhold_unreleased(desk, decision)
    note = _notice(desk, Kind.WITHHOLD)
    done = desk.with_state(withheld=True, release_no=note.release_no)
    return done.end(Outcome.APPLIED, note.version, release=note, decision_id=decision.decision_id)


def _withhold_unreleased(desk: _Desk, decision: Decision) -> StoryState:
    """Hold what would be released by the clock; nobody has seen the story, so no notice goes out.

    A source's cancel may overtake its own filing by the flash lane: then what comes is held, as on any withheld story.
    """
    waiting = [version for version in desk.state.versions.values() if version.stage is Stage.EMBARGOED]
    if not waiting and not decision.by_source:
        return _refuse(desk, decision, "nothing of this story is released; hold or reject it instead")
    for version in waiting:
        desk = desk.staged(version, Stage.HELD, decision.note or "withheld before its release", queue="withheld")
    if decision.by_source:
        desk = desk.with_state(withheld=True)
    return desk.end(Outcome.APPLIED, desk.state.newest or None, decision_id=decision.decision_id)


def _decide_urgency(desk: _Desk, decision: Decision) -> StoryState:
    version = _waiting(desk, decision)
    if isinstance(version, str) or decision.urgency is None:
        return _refuse(desk, decision, version if isinstance(version, str) else "urgency is missing")
    if version.stage not in {Stage.HELD, Stage.EMBARGOED}:
        return _refuse(desk, decision, "urgency can be changed before release only")
    if decision.urgency >= version.urgency:
        return _refuse(desk, decision, f"urgency can only be raised; it is {version.urgency}")
    lane = lane_of(decision.urgency)
    facts = version.facts.model_copy(update={"urgency": decision.urgency, "lanes": (lane,)})
    changed = version.model_copy(update={"urgency": decision.urgency, "lane": lane, "facts": facts})
    return desk.with_version(changed).end(Outcome.APPLIED, version.version, decision_id=decision.decision_id)


def _decide_embargo(desk: _Desk, decision: Decision) -> StoryState:
    version = _waiting(desk, decision)
    if isinstance(version, str):
        return _refuse(desk, decision, version)
    if version.stage not in {Stage.HELD, Stage.EMBARGOED}:
        return _refuse(desk, decision, f"version {version.version} is {version.stage}")
    until = decision.embargo_until if is_embargoed(decision.embargo_until, desk.now) else None
    changed = version.model_copy(update={"embargo_until": until})
    if until is None and version.stage is Stage.EMBARGOED:
        return _released_by(decision, _release_due(desk, changed))
    done = _lengthened(desk.with_version(changed), changed)
    return done.end(Outcome.APPLIED, version.version, decision_id=decision.decision_id)


def _decide_kill(desk: _Desk, decision: Decision) -> StoryState:
    if desk.state.killed:
        return desk.end(Outcome.DUPLICATE, reason="the story was killed before", decision_id=decision.decision_id)
    if decision.break_glass:
        return _kill(desk, decision.decision_id, decision.replacement)
    if desk.state.pending:
        reason = f"a kill is already pending as {desk.state.pending.decision_id}"
        return desk.end(Outcome.DUPLICATE, reason=reason, decision_id=desk.state.pending.decision_id)
    pending = PendingKill(
        decision_id=decision.decision_id,
        person=decision.person,
        asked_at=desk.now,
        expires_at=desk.now + KILL_WAITS,
        reason=decision.reason,
        replacement=decision.replacement,
    )
    return desk.with_state(pending=pending).end(Outcome.NEEDS_SECOND_PERSON, decision_id=decision.decision_id)


def _decide_confirm(desk: _Desk, decision: Decision) -> StoryState:
    pending = desk.state.pending
    if pending is None or pending.decision_id != decision.decision_id:
        return _refuse(desk, decision, "no such decision is waiting")
    if pending.person == decision.person:
        return _refuse(desk, decision, "a second person must confirm a kill")
    return _kill(desk, pending.decision_id, pending.replacement)


def _decide_cancel(desk: _Desk, decision: Decision) -> StoryState:
    pending = desk.state.pending
    if pending is None or pending.decision_id != decision.decision_id:
        return _refuse(desk, decision, "no such decision is waiting")
    return desk.with_state(pending=None).end(Outcome.CANCELLED, decision_id=decision.decision_id)


def _kill(desk: _Desk, decision_id: str, replacement: str | None) -> StoryState:
    state = desk.state
    note = _notice(desk, Kind.KILL, replacement)
    record = KillRecord(
        story_id=state.story_id,
        version=note.version,
        release_no=note.release_no,
        cause=desk.event_id,
        at=note.at,
        replacement=replacement,
    )
    texts = tuple(number for number, version in state.versions.items() if version.text)
    bare = {number: version.model_copy(update={"text": None}) for number, version in state.versions.items()}
    done = desk.with_state(killed=record, pending=None, release_no=note.release_no, versions=bare)
    return done.end(Outcome.KILLED, note.version, release=note, drop=texts, decision_id=decision_id)


def _expired(state: StoryState, now: datetime) -> StoryState:
    if state.pending and state.pending.expires_at <= now:
        return state.model_copy(update={"pending": None})
    return state


_DECISIONS: Final = {
    "release": _decide_release,
    "reject": _decide_reject,
    "hold": _decide_hold,
    "withhold": _decide_withhold,
    "urgency": _decide_urgency,
    "embargo": _decide_embargo,
    "kill": _decide_kill,
    "confirm": _decide_confirm,
    "cancel": _decide_cancel,
}
