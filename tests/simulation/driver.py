"""What is asked of the wire: filings and decisions as they lie on the inboxes, and the driver's own ledger of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.events import Correction, Decision, DeskDecided, NearDuplicate, StoryEnriched
from shared.domain.facts import Facts
from shared.domain.story import Kind, content_hash, lane_of
from shared.platform.topics import Topic
from tests.domain.stories import enriched
from tests.simulation.log import Log

STORIES = ("urn:slugline:test:0", "urn:slugline:test:1")
FLASH, ROUTINE = 1, 4
EMBARGO = timedelta(seconds=90)
KINDS = {"again": Kind.REPEAT, "correct": Kind.CORRECT}

FILINGS: tuple[tuple[str, int], ...] = (
    ("plain", ROUTINE),
    ("plain", FLASH),
    ("plain", ROUTINE),
    ("plain", FLASH),
    ("embargo", ROUTINE),
    ("embargo", FLASH),
    ("held", ROUTINE),
    ("again", ROUTINE),
    ("correct", ROUTINE),
    ("chain", ROUTINE),
    ("chain", FLASH),
    ("echo", ROUTINE),
    ("embargo", ROUTINE),
    ("embargo", FLASH),
    ("plain", ROUTINE),
    ("correct", FLASH),
)
DECISIONS = ("withhold", "release", "kill", "confirm", "reject", "hold", "kill", "withhold")
CHAIN = 5  # versions that a provider numbers; they come in any order


@dataclass
class Driver:
    """Files and decides; remembers which inputs it gave, and when a text may be seen first."""

    log: Log
    stories: Sequence[str] = STORIES
    inputs: dict[str, str] = field(default_factory=dict)
    """The story of each input, by event_id."""

    not_before: dict[str, datetime] = field(default_factory=dict)
    _filed: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _last: dict[str, tuple[Topic, StoryEnriched]] = field(default_factory=dict)
    _until: dict[str, datetime] = field(default_factory=dict)
    _let_go: set[str] = field(default_factory=set)
    _asked: dict[str, str] = field(default_factory=dict)

    def story(self, number: int) -> str:
        return self.stories[number % len(self.stories)]

    def file(self, story: int, form: int) -> None:
        story_id, number = self.story(story), len(self.inputs)
        what, urgency = FILINGS[form % len(FILINGS)]
        if what == "echo":
            self._echo(story_id)
            return
        version = number * 3 % CHAIN + 1 if what == "chain" else 1
        words = self._words(what, story_id, number, version)
        if what == "embargo":
            self._embargo(story_id, words)
        body = {"uri": story_id, "type": "text", "bodies": [{"contentType": "text/plain", "value": words}]}
        facts = Facts(sections=("world",), sources=("desk",), urgency=urgency, lanes=(lane_of(urgency),))
        given = enriched(
            story=body,
            urgency=urgency,
            embargo_until=self._until.get(words),
            facts=facts,
            content_hash=content_hash(body),
            kind=KINDS.get(what, Kind.UPDATE),
            assigned=what != "chain",
            correction=Correction(note="It was wrong.", fields=("/bodies",)) if what == "correct" else None,
        )
        event = StoryEnriched(
            event_id=f"f{number}",
            story_id=story_id,
            version=version,
            occurred_at=self.log.clock.now(),
            producer="enrich",
            data=given,
        )
        self.inputs[event.event_id] = story_id
        topic = Topic.INBOX_FLASH if urgency == FLASH else Topic.INBOX
        self._last[story_id] = topic, event
        self.log.put(topic, event)

    def _words(self, what: str, story_id: str, number: int, version: int) -> str:
        """The text of a filing: a new one, that of the same version, or once more the last one."""
        filed = self._filed[story_id]
        if what == "again" and filed:
            return filed[-1]
        words = f"Version {version} of the chain ends here." if what == "chain" else f"Text {number} ends here."
        if what == "held":
            words += " A 9-year-old girl won."
        filed.append(words)
        return words

    def _embargo(self, story_id: str, words: str) -> None:
        self._until[words] = self.log.clock.now() + EMBARGO
        if story_id not in self._let_go:
            self.not_before[words] = self._until[words]

    def _echo(self, story_id: str) -> None:
        """The stage before has died and enriched once more, with another result."""
        if story_id in self._last:
            topic, event = self._last[story_id]
            near = NearDuplicate(story_id="urn:slugline:test:other", score=0.9)
            again = event.data.model_copy(update={"near_duplicate": near})
            self.log.put(topic, event.model_copy(update={"data": again}))

    def decide(self, story: int, which: int) -> None:
        story_id, number = self.story(story), len(self.inputs)
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
