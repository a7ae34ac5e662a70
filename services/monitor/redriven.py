"""Which dead letters have gone back already? The audit says so: its entries are read again after a start."""

import json
from datetime import timedelta
from typing import Final

from services.monitor.dead_letters import Place
from shared.platform.records import Record

ACTION: Final = "dead.redriven"
SINCE: Final = timedelta(days=31)
"""Dead letters are kept for 30 days; none that is still there can have been redriven before."""


class Redriven:
    """The redrives of each dead letter by their ids; taking an entry twice changes nothing."""

    def __init__(self) -> None:
        self._ids: dict[Place, set[str]] = {}

    def apply(self, record: Record) -> None:
        """Take one record of the audit; entries of other actions, and what is no entry, are passed over."""
        try:
            entry = json.loads(record.value or b"")
            if entry["action"] != ACTION:
                return
            detail = entry["detail"]
            place = Place(str(detail["topic"]), int(detail["partition"]), int(detail["offset"]))
            redrive_id = str(detail["redrive_id"])
        except (ValueError, KeyError, TypeError):
            return
        self.note(place, redrive_id)

    def note(self, place: Place, redrive_id: str) -> None:
        self._ids.setdefault(place, set()).add(redrive_id)

    def times(self, place: Place) -> int:
        """How often it has gone back."""
        return len(self._ids.get(place, ()))
