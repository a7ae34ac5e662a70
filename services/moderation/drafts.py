"""What is a filing before it is decided on: judged, its correction merged, its text as it would be kept?"""

from dataclasses import dataclass, replace
from typing import Any, Final

from services.moderation.corrections import Corrected, correct
from services.moderation.rules import RuleFailure, judge
from shared.domain.events import Enriched, StoryEnriched
from shared.domain.lifecycle import Filing, Ruling
from shared.domain.state import StoryText, TextRef, VersionState

NEAR_DUPLICATE: Final = "nearDuplicate"
NOTHING_TO_CORRECT: Final = "there is no text to correct"


@dataclass(frozen=True, slots=True)
class Draft:
    """A filing and its text; the text's version is the proposed one until `numbered`."""

    filing: Filing
    text: StoryText
    failures: tuple[RuleFailure, ...] = ()

    def numbered(self, version: int) -> StoryText:
        """Return the text under the version that it was given."""
        return self.text.model_copy(update={"version": version})

    def kept_at(self, ref: TextRef) -> Filing:
        return replace(self.filing, text=ref)

    def continuing(self, version: VersionState | None) -> "Draft":
        """Return the draft as that of the version which waited, if it is one."""
        return replace(self, filing=replace(self.filing, continues=version)) if version else self


def draft(event: StoryEnriched, now_us: int) -> Draft:
    """Return the draft of a whole text; `now_us` (epoch µs) becomes its stage time `decided`."""
    return _judged(event, event.data, _text(event, now_us))


def draft_correction(event: StoryEnriched, base: VersionState | None, text: StoryText | None, now_us: int) -> Draft:
    """Return the draft of a correction of `base`, whose stored text is `text`; refused where it may not be made."""
    named, unchanged = event.data.correction, _text(event, now_us)
    if base is None or text is None or named is None:
        return _refused(event, unchanged, NOTHING_TO_CORRECT)
    match correct(base, text, event.data, named):
        case Corrected(filed, labels, changes, corrects):
            more = {"story": filed.story, "labels": labels, "changes": changes, "corrects": corrects}
            return _judged(event, filed, unchanged.model_copy(update=more))
        case reason:
            return _refused(event, unchanged, reason)


def draft_waiting(event: StoryEnriched, awaits: int, now_us: int) -> Draft:
    """Return the draft of a correction that must wait for the version it corrects: kept as it was filed."""
    text = _text(event, now_us).model_copy(update={"filed": event.data})
    filing = Filing(
        event.event_id,
        event.version or 0,
        event.data,
        Ruling(),
        stage_times=text.stage_times,
        filed_as=event.cause,
        awaits=awaits,
    )
    return Draft(filing, text)


def _judged(event: StoryEnriched, filed: Enriched, text: StoryText) -> Draft:
    judgement = judge(filed)
    labels = tuple(dict.fromkeys((*text.labels, *filed.labels, *judgement.labels)))
    filing = Filing(
        event.event_id,
        event.version or 0,
        filed,
        judgement.ruling,
        stage_times=text.stage_times,
        filed_as=event.cause,
    )
    return Draft(filing, text.model_copy(update={"labels": labels}), judgement.failures)


def _refused(event: StoryEnriched, text: StoryText, reason: str) -> Draft:
    return Draft(Filing(event.event_id, event.version or 0, event.data, Ruling(), refused=reason), text)


def _text(event: StoryEnriched, now_us: int) -> StoryText:
    return StoryText(
        story_id=event.story_id,
        version=event.version or 0,
        story=event.data.story,
        lineage=_lineage(event.data),
        # a clock behind the one before it must not make time run backwards in the flight record
        stage_times={**event.stage_times, "decided": max((now_us, *event.stage_times.values()))},
    )


def _lineage(filed: Enriched) -> tuple[dict[str, Any], ...]:
    near = filed.near_duplicate
    if near is None:
        return ()
    return ({"rel": NEAR_DUPLICATE, "story_id": near.story_id, "score": near.score, "exact": near.exact},)
