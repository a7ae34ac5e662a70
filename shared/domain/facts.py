"""What filters and products are judged on: the facts of one release, and their union over a story."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict

from shared.domain.story import Lane


def _sorted_unique(value: Any) -> Any:
    return tuple(sorted(set(value))) if isinstance(value, list | set | frozenset | tuple) else value


Terms = Annotated[tuple[str, ...], BeforeValidator(_sorted_unique)]
"""Sorted, without repeats, so that equal facts have equal bytes."""


class Facts(BaseModel):
    """Facts of one release. As a story's *reach* the same shape holds the union over all its releases.

    `sections` are slugs (`world`); `subjects` Media Topics codes (`medtop:16000000`) with all their broader
    concepts; `places` ISO 3166 alpha-2 codes and `geonames:…` ids; `languages` BCP 47; `urgency` the most
    urgent so far.
    """

    model_config = ConfigDict(frozen=True)

    sections: Terms = ()
    subjects: Terms = ()
    places: Terms = ()
    sources: Terms = ()
    languages: Terms = ()
    urgency: int = 4
    lanes: tuple[Lane, ...] = (Lane.ROUTINE,)

    def union(self, other: Self) -> Self:
        """Return facts that any filter matching either of the two also matches (exclusions aside)."""
        return self.model_copy(
            update={
                **{
                    name: _sorted_unique([*getattr(self, name), *getattr(other, name)])
                    for name in ("sections", "subjects", "places", "sources", "languages")
                },
                "urgency": min(self.urgency, other.urgency),
                "lanes": tuple(sorted({*self.lanes, *other.lanes})),
            }
        )


def slug(name: str) -> str:
    """Return the slug of a section's name: `Jammu & Kashmir` → `jammu-kashmir`."""
    words = "".join(character if character.isalnum() else " " for character in name.casefold()).split()
    return "-".join(words)
