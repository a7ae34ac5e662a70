"""The public Item: a ninjs body with the wire facts that ninjs cannot hold beside it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer

from shared.domain.story import Kind, Lane


def rfc3339(at: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC with milliseconds: `2026-11-23T12:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


WireTime = Annotated[AwareDatetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]


class Item(BaseModel):
    """What every channel shows of one release (`docs/interfaces`, "Reading").

    `seq` is the release's offset in its lane; None until the broker has given it. `story` is ninjs 3.1,
    strictly valid; for a withhold or kill it is the notice item without headline and body.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int | None = None
    lane: Lane
    kind: Kind
    story_id: str
    version: int
    release_no: int
    released_at: WireTime
    corrects: dict[str, Any] | None = None
    supersedes: int | None = None
    changes: tuple[dict[str, Any], ...] = ()
    lineage: tuple[dict[str, Any], ...] = ()
    labels: tuple[str, ...] = ()
    notice: str | None = None
    replacement: str | None = None
    stage_times: dict[str, int] = {}
    story: dict[str, Any]
