"""What is known of one story: the record of `story.state`, and the records that stand beside it.

No text in here: a version's text is in `story.text`, found by the offset that its `TextRef` holds.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.domain.events import Enriched, Span
from shared.domain.facts import Facts
from shared.domain.story import Kind, Lane


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Stage(StrEnum):
    """Where a version is. `superseded`: kept, and never to be sent (an older one came late, or a newer passed it)."""

    HELD = "held"
    EMBARGOED = "embargoed"
    RELEASED = "released"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Outcome(StrEnum):
    """What an input came to; the vocabulary of receipts (`interfaces`, "Filing content")."""

    RECEIVED = "received"
    HELD = "held"
    EMBARGOED = "embargoed"
    RELEASED = "released"
    REJECTED = "rejected"
    KILLED = "killed"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    APPLIED = "applied"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PARKED = "parked"
    NEEDS_SECOND_PERSON = "needs_second_person"


class TextRef(_State):
    """Where a version's text lies in `story.text`."""

    partition: int
    offset: int


class Evidence(_State):
    """Why a rule spoke: its name and version, the span in the plain body, the hash of the text it judged."""

    rule: str
    rule_version: int
    span: Span | None = None
    text_hash: str = ""


class VersionState(_State):
    """One version. `since` is when it came to its stage, epoch µs; `assigned` whether we numbered it.

    `accepted` is when it was filed at the door, epoch µs. `deadline`: until when a held one should have been decided
    on; at it nothing happens by itself, the queue tells. `awaits`: the version that this correction corrects and that
    has not come; until then it is held, unmerged, and counts for nothing.
    """

    version: int
    stage: Stage
    kind: Kind
    content_hash: str
    event_id: str
    filed_as: str | None = None
    source: str
    urgency: int
    lane: Lane
    assigned: bool = True
    embargo_until: AwareDatetime | None = None
    text: TextRef | None = None
    facts: Facts = Facts()
    reason: str | None = None
    queue: str | None = None
    evidence: tuple[Evidence, ...] = ()
    since: int = 0
    accepted: int = 0
    deadline: AwareDatetime | None = None
    awaits: int | None = None


class ReleaseNote(_State):
    """One thing put on the wire; with the text it is all that its outputs are built from.

    `text` None for withhold and kill. `urgency`/`lane` are those of the release (every kill and withhold
    rides flash). `stage_times` only where they are not those kept with the text (a repeat).
    """

    release_no: int
    kind: Kind
    version: int
    lane: Lane
    at: int
    facts: Facts
    text: TextRef | None = None
    supersedes: int | None = None
    reach: Facts | None = None
    replacement: str | None = None
    stage_times: dict[str, int] = {}


class Applied(_State):
    """One input that was taken, by its event_id; the newest one names the outputs it implies.

    `topic`/`partition`/`offset` tell whether its outputs were confirmed (they were, if the committed offset
    has passed it). `release` None: nothing goes out.
    """

    event_id: str
    outcome: Outcome
    at: int
    version: int | None = None
    release: ReleaseNote | None = None
    drop: tuple[int, ...] = ()
    reason: str | None = None
    decision_id: str | None = None
    topic: str = ""
    partition: int = -1
    offset: int = -1


class PendingKill(_State):
    """A kill that waits for its second person until `expires_at`."""

    decision_id: str
    person: str
    asked_at: AwareDatetime
    expires_at: AwareDatetime
    reason: str | None = None
    replacement: str | None = None


class KillRecord(_State):
    """The record of `story.killed`: never overwritten, kept for ever, written before the state."""

    story_id: str
    version: int
    release_no: int
    cause: str
    at: int
    replacement: str | None = None


class StoryState(_State):
    """The record of `story.state`. `newest` and `release_no` are 0 for a story nothing is known of."""

    story_id: str
    versions: dict[int, VersionState] = {}
    newest: int = 0
    released: int | None = None
    release_no: int = 0
    withheld: bool = False
    killed: KillRecord | None = None
    pending: PendingKill | None = None
    reach: Facts | None = None
    first_released_at: int | None = None
    applied: tuple[Applied, ...] = ()

    def entry(self, event_id: str) -> Applied | None:
        """Return what became of an input, if it was taken."""
        return next((entry for entry in reversed(self.applied) if entry.event_id == event_id), None)

    def is_newest_entry(self, entry: Applied) -> bool:
        return bool(self.applied) and self.applied[-1].event_id == entry.event_id


def encode_state(state: StoryState) -> bytes:
    """Return the bytes of a state's record: what is as it is by default is left out, so a quiet story takes little."""
    return state.model_dump_json(exclude_defaults=True).encode()


class StoryText(_State):
    """The record of `story.text`: one version's text while it may still be needed.

    `filed` only for a correction whose base has not come: the filing as it was, to be merged then.
    """

    story_id: str
    version: int
    story: dict[str, Any]
    labels: tuple[str, ...] = ()
    changes: tuple[dict[str, Any], ...] = ()
    corrects: dict[str, Any] | None = None
    lineage: tuple[dict[str, Any], ...] = ()
    stage_times: dict[str, int] = {}
    filed: Enriched | None = None


class Principal(_State):
    """The record of `principal.state`: an API key as its SHA-256, and what it may do."""

    key_id: str
    hash: str
    prefix: str
    subscriber: str | None = None
    person: str
    source: str = "desk"
    trust: Literal["low", "normal", "high"] = "normal"
    scopes: tuple[Literal["desk", "editor", "subscriber", "operator"], ...]
    created_at: AwareDatetime


def receipt_of(state: StoryState, entry: Applied) -> tuple[Outcome, int | None, str | None]:
    """Return (state, release_no, reason) of an input as it stands now.

    A filing follows its version: held becomes released once an editor lets it go; a kill covers all.
    """
    version = state.versions.get(entry.version or 0)
    follows = entry.outcome in {Outcome.HELD, Outcome.EMBARGOED, Outcome.RELEASED}
    if not follows or version is None or version.event_id != entry.event_id:
        return entry.outcome, entry.release.release_no if entry.release else None, entry.reason
    if state.killed:
        return Outcome.KILLED, state.killed.release_no, "the story was killed"
    released = [e.release for e in state.applied if e.release and e.release.version == version.version]
    return Outcome(version.stage), released[0].release_no if released else None, version.reason


class DecisionState(StrEnum):
    """Where a decision is, as the desk sees it (`interfaces`, "Deciding")."""

    NEEDS_SECOND_PERSON = "needs_second_person"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_DECIDED = {
    Outcome.REFUSED: DecisionState.REFUSED,
    Outcome.CANCELLED: DecisionState.CANCELLED,
    Outcome.NEEDS_SECOND_PERSON: DecisionState.NEEDS_SECOND_PERSON,
}


def decision_of(state: StoryState, decision_id: str, now: datetime) -> tuple[DecisionState, str | None] | None:
    """Return (state, reason) of a decision, or None when the story never heard of it.

    A refused confirm (by the first person again) does not end the kill it meant.
    """
    if state.pending and state.pending.decision_id == decision_id:
        expired = state.pending.expires_at <= now
        return (DecisionState.EXPIRED if expired else DecisionState.NEEDS_SECOND_PERSON), None
    entries = [entry for entry in state.applied if entry.decision_id == decision_id]
    if not entries:
        return None
    ends = [entry for entry in entries if entry.outcome is not Outcome.REFUSED] or entries
    last = ends[-1]
    if last.outcome is Outcome.NEEDS_SECOND_PERSON:
        return DecisionState.EXPIRED, "nobody confirmed it in time"
    return _DECIDED.get(last.outcome, DecisionState.APPLIED), last.reason
