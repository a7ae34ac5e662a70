"""Whose key is this? The principals of `principal.state`, held in memory and followed."""

import asyncio
from datetime import UTC, datetime

from pydantic import ValidationError

from shared.domain.keys import hash_key
from shared.domain.state import Principal
from shared.platform.consuming import Record
from shared.platform.logs import logger
from shared.platform.reading import Tail

OPERATOR_PERSON = "operator"


class PrincipalBook:
    """Answers who a key belongs to. Fed by a Tail of `principal.state`; a tombstone revokes at once."""

    def __init__(self, operator_key: str | None) -> None:
        """`operator_key`: the first operator's key, from WIRE_OPERATOR_KEY; known without any record."""
        self._by_hash: dict[str, Principal] = {}
        self._hash_of: dict[str, str] = {}
        if operator_key:
            self._keep(
                Principal(
                    key_id="key_operator",
                    hash=hash_key(operator_key),
                    prefix=operator_key[:8],
                    person=OPERATOR_PERSON,
                    scopes=("operator",),
                    created_at=datetime.fromtimestamp(0, UTC),
                )
            )

    def who(self, key: str) -> Principal | None:
        """Return the principal of a key as it came in a request, or None."""
        return self._by_hash.get(hash_key(key))

    def knows(self, key_id: str) -> bool:
        """Tell whether a key is there and not revoked."""
        return key_id in self._hash_of

    def by_id(self, key_id: str) -> Principal | None:
        """Return the principal of a key that is there and not revoked, or None."""
        known = self._hash_of.get(key_id)
        return None if known is None else self._by_hash[known]

    def all(self) -> list[Principal]:
        """Every principal there is, oldest first."""
        return sorted(self._by_hash.values(), key=lambda principal: principal.created_at)

    def apply(self, record: Record) -> None:
        """Take one record of `principal.state`; one that does not validate is logged and left out."""
        key_id = (record.key or "").split("\t")[0]
        if record.value is None:
            self._forget(key_id)
            return
        try:
            self._keep(Principal.model_validate_json(record.value))
        except ValidationError:
            logger().error("principal.unreadable", key_id=key_id, offset=record.offset)

    def _keep(self, principal: Principal) -> None:
        self._forget(principal.key_id)
        self._by_hash[principal.hash] = principal
        self._hash_of[principal.key_id] = principal.hash

    def _forget(self, key_id: str) -> None:
        if known := self._hash_of.pop(key_id, None):
            self._by_hash.pop(known, None)


async def keep_up(book: PrincipalBook, tail: Tail, loaded: asyncio.Event, stop: asyncio.Event) -> None:
    """Job: read all principals, set `loaded`, then follow until `stop`."""
    await tail.load(book.apply, since="beginning")
    loaded.set()
    await tail.follow(book.apply, stop)
