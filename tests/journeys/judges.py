"""Is an item what may be shown to subscribers: valid ninjs 3.1, and without text where it is a notice?"""

from typing import Any

from tests.material import material_root
from tests.services.ingest.judges import assert_valid

NOTICES = {"withhold": "withheld", "kill": "canceled"}
TEXT = ("headlines", "bodies", "slugline", "descriptions")


def assert_releasable(item: dict[str, Any]) -> None:
    """Fail for an item that is not valid ninjs 3.1 (judged where the schema is at hand) or says too much."""
    story = item["story"]
    assert story["uri"] == item["story_id"]
    assert story["pubStatus"] == NOTICES.get(item["kind"], "usable")
    if item["kind"] in NOTICES:
        assert not set(TEXT) & set(story), "a notice holds text"
    else:
        assert story["headlines"][0]["value"]
    if (material_root() / "data" / "ninjs" / "schema").exists():
        assert_valid(story)


def plain_body(item: dict[str, Any]) -> str:
    """The text of an item as plain text."""
    found: str = next(
        each["value"] for each in item["story"]["bodies"] if each.get("contentType", "text/plain") == "text/plain"
    )
    return found
