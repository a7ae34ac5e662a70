"""How does a person at the desk decide, and what becomes of it?"""

import hashlib
import re
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, Field

from services.gateway.desk_view import DeskView
from services.gateway.in_transit import InTransit, Taken
from services.gateway.ports import Publishing
from services.gateway.refusals import Conflict, NotFound, unfit_parameter
from shared.domain.errors import NotAllowed, UnknownStory
from shared.domain.events import Action, Decision, DeskDecided, derived_id, encode_event, epoch_us
from shared.domain.item import rfc3339
from shared.domain.state import DecisionState, Principal, decision_of
from shared.platform.audit import Audit
from shared.platform.clock import Clock
from shared.platform.envelopes import headers_for
from shared.platform.topics import Topic

WAIT_S: Final = 1.0
"""How long an answer waits for moderation before it says `accepted`."""

_KEYS_REMEMBERED: Final = 10_000
_ILL_FORMED: Final = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff\ufffd]")
_LONGEST_ID: Final = 1024


class DecisionStatus(BaseModel):
    """A decision as the desk sees it."""

    decision_id: str
    event_id: str
    state: DecisionState
    reason: str | None = Field(default=None, examples=["version 2 is released"])
    story_id: str
    person: str | None = Field(default=None, description="who asked, while it is known")
    expires_at: str | None = Field(default=None, description="until when a kill waits for its second person")


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say: `new` when a record was written for it (202), else what was known before (200)."""

    status: DecisionStatus
    new: bool


@dataclass(slots=True)
class Decisions:
    """Takes decisions to moderation, which applies them; whatever can be known here is said at once."""

    desk: DeskView
    transit: InTransit
    publisher: Publishing
    audit: Audit
    clock: Clock
    wait_s: float = WAIT_S
    _fingerprints: "OrderedDict[str, str]" = field(default_factory=OrderedDict)

    async def ask(self, by: Principal, story_id: str, action: Action, key: str | None, **fields: Any) -> Answer:
        """Ask for something to happen to a story. `key` is the caller's Idempotency-Key.

        Raises UnknownStory for a story nobody has heard of (a kill is taken all the same), Unfit for an id that
        cannot be one or a key that was used for something else, PublishError.
        """
        check_id(story_id)
        event_id = self._event_id(by, key, f"{action}\t{story_id}\t{sorted(fields.items())}")
        if key and (known := self._find(event_id)):
            return Answer(known, new=False)
        if action == "kill" and (standing := self._standing_kill(story_id, bool(fields.get("break_glass")))):
            return standing
        if action != "kill" and not await self._is_known(story_id):
            raise UnknownStory("nothing is known under this story_id")
        decision = Decision(action=action, decision_id=event_id, person=by.person, **fields)
        await self._send(event_id, story_id, decision)
        return Answer(self._status(event_id, event_id, story_id, decision), new=True)

    async def _is_known(self, story_id: str) -> bool:
        """Whether anything was ever filed under this id; what has just been accepted is waited for."""
        return self.desk.state(story_id) is not None or await self.transit.until_story(story_id, self.wait_s)

    async def confirm(self, by: Principal, decision_id: str, key: str | None) -> Answer:
        """Be the second person of a kill. Raises NotFound, NotAllowed (the first person), Conflict, PublishError."""
        return await self._finish(by, decision_id, "confirm", key)

    async def cancel(self, by: Principal, decision_id: str, key: str | None) -> Answer:
        """Call a pending kill off. Raises NotFound, Conflict (it was applied), PublishError."""
        return await self._finish(by, decision_id, "cancel", key)

    def get(self, decision_id: str) -> DecisionStatus:
        """Raises NotFound."""
        known = self._find(decision_id)
        if known is None:
            raise NotFound("there is no such decision")
        return known

    def all(self, state: DecisionState | None) -> list[DecisionStatus]:
        """Every decision that is remembered (35 days), or those in one state."""
        ids: Iterable[str] = dict.fromkeys(
            [*(known for known, _ in self.desk.decisions()), *(taken.event_id for taken in self.transit.decisions())]
        )
        found = [known for each in ids if (known := self._find(each))]
        return [one for one in found if state is None or one.state is state]

    async def _finish(self, by: Principal, decision_id: str, action: Action, key: str | None) -> Answer:
        known = self.get(decision_id)
        done = DecisionState.APPLIED if action == "confirm" else DecisionState.CANCELLED
        if known.state is done:
            return Answer(known, new=False)
        asked = self.transit.decision(decision_id)
        if known.state is not DecisionState.NEEDS_SECOND_PERSON and not _is_kill_on_its_way(known, asked):
            raise Conflict(f"this decision is {known.state}; only a kill that waits can be {_PAST[action]}")
        if action == "confirm" and known.person == by.person:
            raise NotAllowed("a second person must confirm a kill; you asked for it")
        event_id = self._event_id(by, key, f"{action}\t{decision_id}") if key else str(uuid.uuid4())
        decision = Decision(action=action, decision_id=decision_id, person=by.person)
        await self._send(event_id, known.story_id, decision)
        return Answer(self._status(decision_id, event_id, known.story_id, decision), new=True)

    async def _send(self, event_id: str, story_id: str, decision: Decision) -> None:
        now = self.clock.now()
        event = DeskDecided(
            event_id=event_id,
            story_id=story_id,
            version=decision.version,
            occurred_at=now,
            producer="gateway",
            stage_times={"decided": epoch_us(now)},
            data=decision,
        )
        await self.audit.enter(
            decision.person,
            f"story.{decision.action}",
            story_id,
            decision_id=decision.decision_id,
            version=decision.version,
            break_glass=decision.break_glass or None,
            reason=decision.reason or decision.note,
        )
        await self.publisher.publish(Topic.INBOX_FLASH, story_id, encode_event(event), headers_for(event))
        self.transit.take(Taken(event_id, story_id, decision.version, decision))
        await self.desk.until(event_id, self.wait_s)

    def _standing_kill(self, story_id: str, break_glass: bool) -> Answer | None:
        """The kill that stands already: a pending one is returned as if just asked for, a done one as it is."""
        state = self.desk.state(story_id)
        if state is None:
            return None
        if state.killed:
            killing = next((e.decision_id for e in reversed(state.applied) if e.event_id == state.killed.cause), None)
            decision_id = killing or state.killed.cause
            done = DecisionStatus(
                decision_id=decision_id, event_id=state.killed.cause, state=DecisionState.APPLIED, story_id=story_id
            )
            return Answer(self._find(decision_id) or done, new=False)
        pending = state.pending
        if pending and pending.expires_at > self.clock.now() and not break_glass:
            return Answer(self.get(pending.decision_id), new=True)
        return None

    def _find(self, decision_id: str) -> DecisionStatus | None:
        state = self.desk.deciding(decision_id)
        asked = self.transit.decision(decision_id)
        if state is None and asked is None:
            found = self.desk.entry(decision_id)
            if found is None or not found[1].decision_id:
                return None
            state, decision_id = found[0], found[1].decision_id
        story_id = state.story_id if state else asked.story_id if asked else ""
        return self._status(decision_id, decision_id, story_id, asked.decision if asked else None)

    def _status(self, decision_id: str, event_id: str, story_id: str, decision: Decision | None) -> DecisionStatus:
        """What is known of a decision; another one's where the state says that it stands for this one."""
        state = self.desk.state(story_id)
        taken = self.desk.entry(event_id)
        if taken and taken[1].decision_id:
            decision_id = taken[1].decision_id
        now, reason = DecisionState.ACCEPTED, None
        if state and (known := decision_of(state, decision_id, self.clock.now())):
            now, reason = known
        pending = state.pending if state and state.pending and state.pending.decision_id == decision_id else None
        asked = self.transit.decision(decision_id)
        first = asked.decision.person if asked and asked.decision else None
        return DecisionStatus(
            decision_id=decision_id,
            event_id=event_id,
            state=now,
            reason=reason,
            story_id=story_id,
            person=pending.person if pending else first or (decision.person if decision else None),
            expires_at=rfc3339(pending.expires_at) if pending else None,
        )

    def _event_id(self, by: Principal, key: str | None, meant: str) -> str:
        """The same id for the same Idempotency-Key of a person; raises Unfit when it now means something else."""
        if not key:
            return str(uuid.uuid4())
        event_id = derived_id("desk", by.person, key)
        fingerprint = hashlib.sha256(meant.encode("utf-8", "surrogatepass")).hexdigest()
        if self._fingerprints.setdefault(event_id, fingerprint) != fingerprint:
            raise unfit_parameter("Idempotency-Key", "this key was used for another request")
        if len(self._fingerprints) > _KEYS_REMEMBERED:
            self._fingerprints.popitem(last=False)
        return event_id


_PAST: Final = {"confirm": "confirmed", "cancel": "cancelled"}


def _is_kill_on_its_way(known: DecisionStatus, asked: Taken | None) -> bool:
    """Tell whether a kill was asked for that moderation has not taken yet: what follows it comes after it."""
    return (
        known.state is DecisionState.ACCEPTED
        and asked is not None
        and asked.decision is not None
        and asked.decision.action == "kill"
    )


def check_id(story_id: str) -> None:
    """Raise Unfit for what cannot be a story id: empty, too long, with spaces or control characters."""
    if not story_id or len(story_id) > _LONGEST_ID or _ILL_FORMED.search(story_id):
        raise unfit_parameter("story_id", f"an id has 1 to {_LONGEST_ID} characters, no space and no control character")
