"""What do the journeys file? Short stories of our own, each with words that stand in no other."""

import secrets
from datetime import UTC, datetime
from typing import Any


def a_word() -> str:
    """A word that stands nowhere else, to find a text by."""
    return "zq" + "".join(secrets.choice("bcdfghjklmnpstvw") + secrets.choice("aeiou") for _ in range(5))


def a_uri() -> str:
    """A story id that was never used."""
    return f"urn:example:journey:{secrets.token_hex(8)}"


def a_story(uri: str | None = None, version: int | None = 1, mark: str | None = None, **more: Any) -> dict[str, Any]:
    """A ninjs 3.1 item of a provider; `mark` is a word in headline and body, `version` None leaves it to the desk."""
    mark = mark or a_word()
    body = (
        f"The reading room of {mark} opens its doors again on Friday, after the roof was laid with new slate.\n\n"
        f"Volunteers of the {mark} association carried four thousand books back up the stairs, by hand."
    )
    story: dict[str, Any] = {
        "uri": uri or a_uri(),
        "type": "text",
        "versionCreated": datetime.now(UTC).isoformat(timespec="seconds"),
        "pubStatus": "usable",
        "language": "en",
        "headlines": [{"value": f"Reading room of {mark} opens again"}],
        "by": "Ada Fern",
        "bodies": [{"contentType": "text/plain", "value": body}],
    }
    if version is not None:
        story["version"] = str(version)
    return story | more


def with_body(story: dict[str, Any], *paragraphs: str) -> dict[str, Any]:
    """The same item with other text."""
    return story | {"bodies": [{"contentType": "text/plain", "value": "\n\n".join(paragraphs)}]}


def with_headline(story: dict[str, Any], headline: str) -> dict[str, Any]:
    """The same item under another headline."""
    return story | {"headlines": [{"value": headline}]}
