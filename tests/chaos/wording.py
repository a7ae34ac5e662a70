"""Which words does a filed story have? Enough of its own that no two look alike, and a mark to know it by anywhere."""

import re
from random import Random
from typing import Any

TOPICS = ("harvest", "ferry", "museum", "orchard", "timber", "glacier", "violin", "bakery", "lighthouse", "marathon")
HELD_FOR = "The jury heard the first witness on Monday."
"""A sentence that a rule of the desk holds."""

_MARK = re.compile(r"\bzq\d+v\d+\b")


def _words(text: str) -> list[str]:
    return text.split()


_NOUNS = _words(
    "roof bridge garden meadow window ladder engine wagon kettle basket lantern saddle anchor mirror carpet canvas "
    "copper marble cotton walnut cellar chimney gallery harbour footpath orchid compass blanket pillow cupboard "
    "hammer needle ribbon barrel bucket feather shovel curtain drawer teapot fountain pavement staircase workshop"
)
_VERBS = _words(
    "carried painted mended measured polished counted lifted folded sorted covered weighed sketched repaired "
    "fastened gathered planted watered stacked cleaned wrapped"
)
_OTHERS = ("slowly", "twice", "again", "gladly", "early", "quietly", "together", "outdoors", "by hand", "before noon")


def mark_of(story: int, step: int) -> str:
    """A word that stands in the headline of one filing and nowhere else."""
    return f"zq{story}v{step}"


def mark_in(headline: str) -> str:
    """The mark in a headline, or an empty string."""
    found = _MARK.search(headline)
    return found.group() if found else ""


def headline(mark: str, topic: str) -> str:
    return f"The {topic} of {mark} is open again"


def body(rng: Random, mark: str, topic: str, *, held: bool) -> str:
    """Three sentences, drawn anew: texts that look alike would all be near-duplicates of each other."""
    drawn = (
        f"The {rng.choice(_NOUNS)} and the {rng.choice(_NOUNS)} {rng.randrange(2, 999)} {rng.choice(_NOUNS)}s were "
        f"{rng.choice(_VERBS)} {rng.choice(_OTHERS)} and {rng.choice(_VERBS)} {rng.choice(_OTHERS)}."
        for _ in range(3)
    )
    return " ".join([f"About the {topic} of {mark}.", *drawn, *([HELD_FOR] if held else [])])


def item(uri: str, mark: str, topic: str, text: str, version: int | None, created: str) -> dict[str, Any]:
    """A ninjs 3.1 item of a provider; `version` None leaves the number to the desk."""
    story: dict[str, Any] = {
        "uri": uri,
        "type": "text",
        "versionCreated": created,
        "pubStatus": "usable",
        "language": "en",
        "headlines": [{"value": headline(mark, topic)}],
        "by": "Ada Fern",
        "bodies": [{"contentType": "text/plain", "value": text}],
    }
    return story if version is None else story | {"version": str(version)}
