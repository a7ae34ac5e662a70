"""What do the rules say of a filing: may it pass, with which labels, or must a human see it, and why?

Pure. Judged is what a reader sees first: headlines, descriptions, and the plain body. Phrase rules read English.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from services.moderation.rulebook import FIRST, AnyPhrase, Filing, Hold, Label, Rule, YoungPerson
from services.moderation.wording import Found, Minors, Passage, Phrases, passage
from shared.domain.events import Enriched, Span
from shared.domain.lifecycle import Ruling
from shared.domain.state import Evidence
from shared.domain.story import Lane, Ninjs, lane_of, plain_body_of

EVIDENCE_PER_RULE: Final = 3
BODY: Final = "body"
HEADLINE: Final = "headline"
DESCRIPTION: Final = "description"
"""`Span.kind` of a rule's evidence: which text its code points count in."""

Fact = Callable[[Enriched], bool]

FACTS: Final[Mapping[str, Fact]] = {
    "flash_from_low_trust": lambda filed: filed.trust == "low" and lane_of(filed.urgency) is Lane.FLASH,
    "has_contacts": lambda filed: bool(filed.contacts),
    "withdrawn_by_source": lambda filed: filed.story.get("pubStatus", "usable") != "usable",
}


@dataclass(frozen=True, slots=True)
class RuleFailure:
    """A rule that broke, and the class of its error; never its message, which may quote the story."""

    rule: str
    error: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all rules together said; `labels` are sorted. `failures`: rules that broke, for whoever mends them."""

    ruling: Ruling
    labels: tuple[str, ...] = ()
    failures: tuple[RuleFailure, ...] = ()


class _Finder(Protocol):
    def find(self, text: Passage) -> Iterator[Found]: ...


@dataclass(frozen=True, slots=True)
class _Text:
    """One text to be judged; `kind` as in `Span.kind`."""

    kind: str
    passage: Passage
    hash: str


class Rules:
    """A rule table made ready: phrases are indexed once."""

    def __init__(self, table: Iterable[Rule] = FIRST, facts: Mapping[str, Fact] = FACTS) -> None:
        """Raises ValueError for a rule that cannot mean anything, KeyError for an unknown fact."""
        self._rules: list[tuple[Rule, _Finder | Fact]] = [(rule, _ready(rule, facts)) for rule in table]

    def judge(self, enriched: Enriched) -> Judgement:
        """Return what the rules say; never raises on account of a rule.

        The first rule that holds gives reason and queue; the evidence of all that spoke is kept, holds first.
        """
        texts = tuple(_texts(enriched.story))
        holds: list[tuple[Hold, tuple[Evidence, ...]]] = []
        labels: set[str] = set()
        label_evidence: list[Evidence] = []
        failures: list[RuleFailure] = []
        for rule, looks in self._rules:
            then, evidence = _apply(rule, looks, enriched, texts, failures)
            match then:
                case Hold():
                    holds.append((then, evidence))
                case Label(label):
                    labels.add(label)
                    label_evidence.extend(evidence)
        if not holds:
            return Judgement(Ruling("allow", evidence=tuple(label_evidence)), tuple(sorted(labels)), tuple(failures))
        first, _ = holds[0]
        evidence = tuple(one for _, found in holds for one in found) + tuple(label_evidence)
        ruling = Ruling("hold", reason=first.reason, queue=first.queue, evidence=evidence, within=first.within)
        return Judgement(ruling, tuple(sorted(labels)), tuple(failures))


def _ready(rule: Rule, facts: Mapping[str, Fact]) -> _Finder | Fact:
    match rule.finds:
        case AnyPhrase(phrases):
            return Phrases(phrases)
        case YoungPerson(under, persons, verbs):
            return Minors(under, persons, verbs)
        case Filing(fact):
            return facts[fact]


def _apply(
    rule: Rule, looks: _Finder | Fact, enriched: Enriched, texts: Sequence[_Text], failures: list[RuleFailure]
) -> tuple[Hold | Label | None, tuple[Evidence, ...]]:
    """Return what follows from one rule, None for nothing; one that breaks speaks as its kind demands, and is told."""
    try:
        evidence = tuple(islice(_evidence(rule, looks, enriched, texts), EVIDENCE_PER_RULE))
    except Exception as error:  # noqa: BLE001 - a broken rule must neither lose a story nor let a legal question pass
        failures.append(RuleFailure(rule.name, type(error).__name__))
        broken = (Evidence(rule=rule.name, rule_version=rule.version),)
        if rule.legal:
            return Hold(rule.then.queue if isinstance(rule.then, Hold) else "legal", _could_not(rule)), broken
        return Label(f"unchecked-{rule.name}"), broken
    return (rule.then if evidence else None), evidence


def _could_not(rule: Rule) -> str:
    return f"the rule {rule.name} could not be checked"


def _evidence(rule: Rule, looks: _Finder | Fact, enriched: Enriched, texts: Sequence[_Text]) -> Iterator[Evidence]:
    if callable(looks):
        if looks(enriched):
            body = next((text.hash for text in texts if text.kind == BODY), "")
            yield Evidence(rule=rule.name, rule_version=rule.version, text_hash=body)
        return
    for text in texts:
        for found in looks.find(text.passage):
            span = Span(kind=text.kind, start=found.start, end=found.end)
            yield Evidence(rule=rule.name, rule_version=rule.version, span=span, text_hash=text.hash)


def _texts(story: Ninjs) -> Iterator[_Text]:
    """Give what is judged: the plain body first, since a span in it helps an editor most."""
    yield _text(BODY, plain_body_of(story))
    for headline in story.get("headlines", ()):
        yield _text(HEADLINE, str(headline.get("value", "")))
    for description in story.get("descriptions", ()):
        yield _text(DESCRIPTION, str(description.get("value", "")))


def _text(kind: str, text: str) -> _Text:
    return _Text(kind, passage(text), hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


_FIRST: Final = Rules()


def judge(enriched: Enriched) -> Judgement:
    """Return what the first rules say of a filing."""
    return _FIRST.judge(enriched)
