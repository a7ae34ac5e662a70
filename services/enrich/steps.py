"""What does enrichment add to a story, step by step, and what if one of the steps fails?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Self

from services.enrich import places, sanitise, topics
from services.enrich.contacts import ContactHit, find_contacts
from services.enrich.dateline import DATELINE_OLD, Dateline, read_dateline
from services.enrich.gazetteer import Gazetteer
from services.enrich.language import LANGUAGE_DISPUTED, LanguageReader, primary
from services.enrich.near_duplicates import text_hash
from services.enrich.topics import TopicLexicon
from shared.domain.story import plain_body_of

# Each step bounds what it reads, so 256 KiB take tens of milliseconds; a step this slow has met something unforeseen.
_BUDGET_S = 2.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What subscriptions, rules and pages ask about a story without reading it.

    `sections` are slugs, `subjects` `medtop:` codes with all broader ones, `places` ISO 3166 alpha-2 codes and
    `geonames:<id>`, `language` a BCP 47 tag, `text_hash` the hash of the text/plain body they are about.
    """

    sections: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    language: str | None = None
    contacts: tuple[ContactHit, ...] = ()
    text_hash: str = ""


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that was left out, and why: the error's class or "over budget", never its words, which may be copy."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Enrichment:
    """A story with what was added to it: `story` is ninjs 3.1, `labels` are in the order in which they were found."""

    story: dict[str, Any]
    labels: tuple[str, ...]
    facts: Facts
    failures: tuple[StepFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A story on its way through the steps, with what its source told beside it."""

    story: dict[str, Any]
    headline: str
    text: str
    section: str | None
    source_language: str | None
    published_at: datetime | None
    facts: Facts
    labels: tuple[str, ...] = ()
    failures: tuple[StepFailure, ...] = ()
    dateline: Dateline | None = None

    def labelled(self, *labels: str) -> "Draft":
        """Give the draft with labels that it does not have yet."""
        return replace(self, labels=tuple(dict.fromkeys((*self.labels, *labels))))

    def with_story(self, **fields: Any) -> "Draft":
        """Give the draft with some fields of its story replaced."""
        return replace(self, story=self.story | fields)

    def failed(self, step: str, reason: str) -> "Draft":
        """Give the draft as it is, marked as lacking a step."""
        marked = replace(self, failures=(*self.failures, StepFailure(step, reason)))
        return marked.labelled(f"enrichment-failed:{step}")


@dataclass(frozen=True, slots=True)
class Step:
    """One addition: a pure function from draft to draft, and the seconds it may take."""

    name: str
    run: Callable[[Draft], Draft]
    budget_s: float = _BUDGET_S


@dataclass(frozen=True, slots=True)
class Steps:
    """The chain of steps with all they have loaded; `enrich` may be called any number of times, by one thread."""

    chain: tuple[Step, ...]
    clock: Callable[[], float] = field(default=time.monotonic)

    @classmethod
    def load(cls) -> Self:
        """Load the language model, the gazetteer and the lexicon: about 1.5 s and 150 MB, once in a process."""
        gazetteer, lexicon = Gazetteer.load(), TopicLexicon.load()
        return cls(
            (
                Step("language", partial(_add_language, reader=LanguageReader.load())),
                Step("dateline", partial(_add_dateline, gazetteer=gazetteer)),
                Step("places", partial(_add_places, gazetteer=gazetteer, lexicon=lexicon)),
                Step("topics", partial(_add_topics, lexicon=lexicon)),
                Step("contacts", _add_contacts),
            )
        )

    def enrich(
        self,
        story: dict[str, Any],
        *,
        section: str | None,
        source_language: str | None,
        published_at: datetime | None,
        partial: bool = False,
    ) -> Enrichment:
        """Give `story` (valid ninjs 3.1, left as it is) sanitised and enriched; the same input gives the same answer.

        A step that raises or takes longer than its budget is left out and told by `enrichment-failed:<step>`. Where
        sanitising itself fails, markup becomes text. Raises only for what is no ninjs, such as a body without value.
        With `partial` (a correction, which holds the changed fields only) facts and labels are found as ever, but
        the story gets no fields that would overwrite those of the corrected text.
        """
        begun = draft = _sanitised_draft(story, section, source_language, published_at)
        for step in self.chain:
            draft = self._guarded(step, draft)
        return Enrichment(begun.story if partial else draft.story, draft.labels, draft.facts, draft.failures)

    def _guarded(self, step: Step, draft: Draft) -> Draft:
        started = self.clock()
        try:
            enriched = step.run(draft)
        except Exception as error:  # noqa: BLE001 - whatever a step does, the story goes on without it
            return draft.failed(step.name, type(error).__name__)
        if self.clock() - started > step.budget_s:
            return draft.failed(step.name, "over budget")
        return enriched


def _sanitised_draft(
    story: dict[str, Any], section: str | None, source_language: str | None, published_at: datetime | None
) -> Draft:
    """Begin with a story that is safe to show: no later step and no budget may leave it otherwise."""
    failure: str | None = None
    try:
        clean, labels = sanitise.sanitised(story)
    except Exception as error:  # noqa: BLE001 - unsafe markup must not pass because its cleaning failed
        clean, labels, failure = sanitise.escaped(story), frozenset(), type(error).__name__
    text = plain_body_of(clean)
    draft = Draft(
        story=clean,
        headline=sanitise.headline(clean),
        text=text,
        section=section,
        source_language=source_language,
        published_at=published_at,
        facts=Facts(text_hash=text_hash(text)),
    ).labelled(*sorted(labels))
    return draft if failure is None else draft.failed("sanitise", failure)


def _add_language(draft: Draft, *, reader: LanguageReader) -> Draft:
    declared = draft.story.get("language")
    found = reader.read(f"{draft.headline}\n{draft.text}", declared, draft.source_language)
    if found is None:
        return draft
    draft = replace(draft, facts=replace(draft.facts, language=found.tag))
    draft = draft if declared else draft.with_story(language=found.tag)
    return draft.labelled(LANGUAGE_DISPUTED) if found.disputed else draft


def _add_dateline(draft: Draft, *, gazetteer: Gazetteer) -> Draft:
    found = read_dateline(draft.text, gazetteer)
    if found is None:
        return draft
    draft = replace(draft, dateline=found)
    draft = draft if draft.story.get("located") else draft.with_story(located=found.located)
    return draft.labelled(DATELINE_OLD) if found.is_far_from(draft.published_at) else draft


def _add_places(draft: Draft, *, gazetteer: Gazetteer, lexicon: TopicLexicon) -> Draft:
    hint = lexicon.section(draft.section).country if draft.section else ""
    found = places.find_places(
        f"{draft.headline}\n{draft.text}", gazetteer, dateline=draft.dateline, section_country=hint or None
    )
    filed: list[dict[str, Any]] = draft.story.get("places", [])
    codes = tuple(dict.fromkeys((*places.filed_codes(filed, gazetteer), *found.codes)))
    draft = replace(draft, facts=replace(draft.facts, places=codes))
    return draft.with_story(places=places.merged(filed, found.entries)) if found.entries else draft


def _add_topics(draft: Draft, *, lexicon: TopicLexicon) -> Draft:
    filed: list[dict[str, Any]] = draft.story.get("subjects", [])
    found = lexicon.find(
        draft.headline, draft.text, language=primary(draft.facts.language or "en"), section=draft.section, filed=filed
    )
    section = lexicon.section(draft.section).slug if draft.section else lexicon.section_for(found.codes)
    facts = replace(draft.facts, subjects=found.codes, sections=(section,) if section else ())
    draft = replace(draft, facts=facts)
    return draft.with_story(subjects=topics.merged(filed, found.entries)) if found.entries else draft


def _add_contacts(draft: Draft) -> Draft:
    country = next((code for code in draft.facts.places if ":" not in code), None)
    hits = find_contacts(draft.text, country=country)
    draft = replace(draft, facts=replace(draft.facts, contacts=hits))
    return draft.labelled(*(hit.kind.label for hit in hits))
