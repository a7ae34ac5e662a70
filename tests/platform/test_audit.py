"""The audit: one chain for each writer, also over a broker that was away."""

import hashlib
import json

import pytest

from shared.platform.audit import FIRST, Audit
from shared.platform.clock import FixedClock
from shared.platform.publishing import PublishTimeout
from shared.platform.topics import Topic
from tests.services.gateway.twins import NOON, MemoryTopics


async def test_what_was_not_confirmed_is_entered_before_what_follows() -> None:
    """The chain has no hole and no fork: the same bytes go out again first."""
    topics = MemoryTopics()
    audit = Audit(topics, FixedClock(NOON), "w")
    topics.away = True
    with pytest.raises(PublishTimeout):
        await audit.enter("ann", "key.issued", "key_1")
    topics.away = False
    await audit.enter("ann", "key.revoked", "key_1")
    first, second = (one.value or b"" for one in topics.on(Topic.AUDIT))
    assert [json.loads(one)["action"] for one in (first, second)] == ["key.issued", "key.revoked"]
    assert json.loads(first)["previous"] == FIRST
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()
