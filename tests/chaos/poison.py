"""What is a record that nobody wrote on purpose, and what must each topic's readers do with it?"""

from enum import StrEnum


class Poison(StrEnum):
    """In which way a record is wrong."""

    NO_JSON = "no json"
    WRONG_SCHEMA = "wrong schema"
    UNKNOWN_TYPE = "unknown type"
    FOREIGN_KEY = "foreign key"
    TOMBSTONE = "tombstone"
    HUGE = "huge"
    WRONG_PARTITION = "wrong partition"
    OLD_TIMESTAMP = "old timestamp"


async def put(bootstrap: str, kind: Poison) -> list[str]:
    """Put one record of that kind on every topic; returns the topics."""
    raise NotImplementedError
