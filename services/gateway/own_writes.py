"""Does a caller see what it just wrote? A write is applied at once, and passed over when the topic brings it."""

from services.gateway.ports import Apply, Publishing
from shared.platform.publishing import Appended, Outgoing
from shared.platform.records import Record


class OwnWrites:
    """Stands before a table that a Tail feeds: what was written here never goes back to an older record.

    `apply` takes the Tail's records; `write` publishes and applies.
    """

    def __init__(self, publisher: Publishing, table: Apply) -> None:
        self._publisher = publisher
        self._table = table
        self._ahead: dict[str, int] = {}

    def apply(self, record: Record) -> None:
        """Take a record of the topic, unless this process has written a newer one under its key."""
        ahead = self._ahead.get(record.key or "")
        if ahead is not None and record.offset >= ahead:
            del self._ahead[record.key or ""]
        if ahead is None or record.offset > ahead:
            self._table(record)

    async def write(self, *records: Outgoing) -> list[Appended]:
        """Publish and, once the broker has them, apply. Raises PublishError: then repeat."""
        appended = await self._publisher.publish_all(list(records))
        for record, at in zip(records, appended, strict=True):
            if at.offset > self._ahead.get(record.key, -1):
                self._ahead[record.key] = at.offset
                self._table(Record(at.topic, at.partition, at.offset, record.key, record.value, {}, at.timestamp_ms))
        return appended
