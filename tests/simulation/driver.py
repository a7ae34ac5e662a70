"""What is asked of the wire: filings and decisions as they lie on the inboxes, and the driver's own ledger of them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.events import Decision, DeskDecided, StoryEnriched
from shared.domain.facts import Facts
from shared.domain.story import Kind, content_hash, lane_of
from shared.platform.topics import Topic
from tests.domain.stories import enriched
from tests.simulation.log import Log

STORIES = ("urn:slugline:test:0", "urn:slugline:test:1")
FLASH, ROUTINE = 1, 4
EMBARGO = timedelta(seconds=90)

FILINGS: tuple[tuple[str, int], ...] = (
    ("plain", ROUTINE),
    ("plain", FLASH),
    ("plain", ROUTINE),
    ("plain", FLASH),
    ("embargo", ROUTINE),
    ("embargo", FLASH),
    ("held", ROUTINE),
    ("again", ROUTINE),
)
DECISIONS = ("withhold", "release", "kill", "confirm", "reject", "hold", "kill", "withhold")


@dataclass
class Driver:
    """Files and decides; remembers which inputs it gave, and when a text may be seen first."""

    log: Log
    inputs: dict[str, str] = field(default_factory=dict)
    """The story of each input, by event_id."""

    not_before: dict[str, datetime] = field(default_factory=dict)
    _filed: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _until: dict[str, datetime] = field(default_factory=dict)
    _let_go: set[str] = field(default_factory=set)
    _asked: dict[str, str] = field(default_factory=dict)

    def file(self, story: int, form: int) -> None:
        story_id, number = STORIES[story % 2], len(self.inputs)
        what, urgency = FILINGS[form % len(FILINGS)]
        words = f"Text {number} ends here."
        if what == "held":
            words += " A 9-year-old girl won."
        if what == "again":
            words = self._filed[story_id][-1] if self._filed[story_id] else words
        else:
            self._filed[story_id].append(words)
        now = self.log.clock.now()
        if what == "embargo":
            self._until[words] = now + EMBARGO
            if story_id not in self._let_go:
                self.not_before[words] = now + EMBARGO
        until = self._until.get(words)
        body = {"uri": story_id, "type": "text", "bodies": [{"contentType": "text/plain", "value": words}]}
        facts = Facts(sections=("world",), sources=("desk",), urgency=urgency, lanes=(lane_of(urgency),))
        given = enriched(
            story=body,
            urgency=urgency,
            embargo_until=until,
            facts=facts,
            content_hash=content_hash(body),
            kind=Kind.REPEAT if what == "again" else Kind.UPDATE,
        )
        event = StoryEnriched(
            event_id=f"f{number}", story_id=story_id, version=1, occurred_at=now, producer="enrich", data=given
        )
        self.inputs[event.event_id] = story_id
        self.log.put(Topic.INBOX_FLASH if urgency == FLASH else Topic.INBOX, event)

    def decide(self, story: int, which: int) -> None:
        story_id, number = STORIES[story % 2], len(self.inputs)
        action, event_id = DECISIONS[which % len(DECISIONS)], f"d{number}"
        decision_id, person, glass = event_id, "ann", False
        if action == "kill":
            glass = which >= len(DECISIONS)
            self._asked[story_id] = decision_id
        elif action == "confirm":
            decision_id, person = self._asked.get(story_id, event_id), "bob"
        elif action == "release":
            self._may_go(story_id)
        decision = Decision.model_validate(
            {"action": action, "decision_id": decision_id, "person": person, "break_glass": glass}
        )
        event = DeskDecided(
            event_id=event_id, story_id=story_id, occurred_at=self.log.clock.now(), producer="gateway", data=decision
        )
        self.inputs[event_id] = story_id
        self.log.put(Topic.INBOX_FLASH, event)

    def _may_go(self, story_id: str) -> None:
        """A person may release a story before its time, and it is the desk that says which version that means."""
        self._let_go.add(story_id)
        for words in self._filed[story_id]:
            self.not_before.pop(words, None)
