"""What was asked of a bulk replay, and how far has it come? One record in `endpoint.health` for each.

The gateway writes the request and may cancel it; distribution does the rest and says so in the same record.
"""

from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.domain.story import Lane

REPLAY: Final = "replay"
"""The second part of the record's key: (endpoint_id, `REPLAY`, replay_id)."""

ReplayState = Literal["requested", "running", "done", "cancelled", "failed"]


class Replay(BaseModel):
    """One request to send again what an endpoint was owed, delivered or not.

    Either `since` (a time) or `start` (the next offset to read of each lane) says where it begins. `end` is fixed by
    distribution when it begins. `position` is where it would go on, `reason` why it `failed`. `sent` were answered
    2xx, `skipped` ended without a try: killed, superseded, gone from the log.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    replay_id: str
    endpoint_id: str
    subscriber: str
    since: AwareDatetime | None = None
    start: dict[Lane, int] | None = None
    end: dict[Lane, int] | None = None
    state: ReplayState = "requested"
    position: dict[Lane, int] = {}
    sent: int = 0
    skipped: int = 0
    asked_by: str
    asked_at: AwareDatetime
    updated_at: AwareDatetime
    reason: str = ""

    @property
    def key_parts(self) -> tuple[str, str, str]:
        """The parts of the record's key, for `topics.key_of`."""
        return self.endpoint_id, REPLAY, self.replay_id

    @property
    def goes_on(self) -> bool:
        """Whether something is left to do for it."""
        return self.state in {"requested", "running"}
