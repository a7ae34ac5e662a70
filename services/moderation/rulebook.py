"""What are the rules of the desk? Data: each rule's name and version, what it looks for, what follows.

A change of what a rule finds is a new `version` of it: holds keep the version that spoke.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

LEGAL: Final = "legal"
SOURCES: Final = "sources"
"""Queues of the desk."""

SOON: Final = timedelta(minutes=5)
"""A flash is worth nothing an hour later."""


@dataclass(frozen=True, slots=True)
class AnyPhrase:
    """One of these phrases, as whole words, in what a reader sees."""

    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class YoungPerson:
    """A person younger than `under` years; `persons` and `verbs` as in `wording.Minors`."""

    under: int
    persons: tuple[str, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filing:
    """A fact of the filing itself, by name (`rules.FACTS`)."""

    fact: Literal["flash_from_low_trust", "has_contacts", "withdrawn_by_source"]


@dataclass(frozen=True, slots=True)
class Hold:
    """A human must decide: in which queue, why (in words for the desk), and how soon; late is told, never released."""

    queue: str
    reason: str
    within: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Label:
    """The release carries this label; nothing waits."""

    label: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. A legal one that breaks holds the story; another one lets it pass with a label."""

    name: str
    version: int
    finds: AnyPhrase | YoungPerson | Filing
    then: Hold | Label
    legal: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


_PERSONS: Final = _words(
    """
    adolescent adolescents babies baby boy boys brother brothers child children daughter daughters defendant
    defendants girl girls grandchild grandchildren granddaughter grandson infant infants juvenile juveniles kid kids
    lad lads minor minors nephew niece orphan orphans person pupil pupils refugee refugees schoolboy schoolboys
    schoolchild schoolchildren schoolgirl schoolgirls schoolmate sibling siblings sister sisters son sons student
    students suspect suspects teen teenage teenager teenagers teens toddler toddlers twin twins victim victims
    youngster youngsters youth youths
    """
)

_VERBS: Final = _words(
    """
    appeared appears became died faces faced fled had has is pleaded said says told took was went were who whose
    """
)

_UNDERAGE: Final = _lines(
    """
    child abuse victim
    child victim
    child victims
    involving a minor
    minor victim
    minor victims
    underage boy
    underage boys
    underage girl
    underage girls
    """
)

_SUB_JUDICE: Final = _lines(
    """
    active proceedings
    awaiting trial
    awaits trial
    before the trial begins
    case continues
    committed for trial
    contempt of court
    court heard
    denied the charges
    denies the charges
    due to stand trial
    facing trial
    goes on trial
    hearing was adjourned
    jury deliberations
    jury heard
    jury is deliberating
    jury is out
    jury retired
    jury selection
    jury was told
    named for legal reasons
    on trial accused
    on trial for
    on trial over
    plead not guilty
    pleaded not guilty
    pleading not guilty
    pleads not guilty
    pre-trial hearing
    pretrial hearing
    released on bail
    remanded in custody
    remanded into custody
    reporting restrictions
    stand trial
    standing trial
    stands trial
    sub judice
    trial begins
    trial continues
    trial has begun
    trial resumes
    went on trial
    """
)

_UNNAMED: Final = _lines(
    """
    a source close to
    a source familiar with
    a source said
    a source told
    according to a source
    according to sources
    anonymous source
    anonymous sources
    asked not to be identified
    asked not to be named
    condition of anonymity
    declined to be identified
    declined to be named
    not authorised to speak
    not authorized to speak
    official sources said
    people familiar with the matter
    person familiar with the matter
    refused to be named
    security sources said
    sources close to
    sources familiar with
    sources said
    sources say
    sources told
    unidentified official
    unidentified officials
    unnamed official
    unnamed officials
    unnamed source
    unnamed sources
    """
)

FIRST: Final[tuple[Rule, ...]] = (
    Rule("minors", 1, YoungPerson(18, _PERSONS, _VERBS), Hold(LEGAL, "a minor may be identifiable in it"), legal=True),
    Rule("minors-underage", 1, AnyPhrase(_UNDERAGE), Hold(LEGAL, "it is about an underage person"), legal=True),
    Rule("sub-judice", 1, AnyPhrase(_SUB_JUDICE), Hold(LEGAL, "it may touch a case before a court"), legal=True),
    Rule("withdrawn", 1, Filing("withdrawn_by_source"), Hold(SOURCES, "its source withdrew it"), legal=True),
    Rule(
        "flash-low-trust",
        1,
        Filing("flash_from_low_trust"),
        Hold(SOURCES, "it is a flash from a low-trust source", SOON),
    ),
    Rule("unnamed-source", 1, AnyPhrase(_UNNAMED), Label("unnamed-source")),
    Rule("contact-data", 1, Filing("has_contacts"), Label("contact-data")),
)
"""The first rules, in the order in which their reasons count."""
