"""In which words is an endpoint's owner told what came of an attempt, whichever sender made it?"""

import codecs
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from services.distribution.adapters.budgets import Budgets
from services.distribution.adapters.steps import Steps
from services.distribution.outcome import Delivered, Outcome, Refused, Unreachable
from services.distribution.retry_after import parse_retry_after

NO_NAME: Final = Unreachable("dns", "the name could not be resolved")
NO_CONNECTION: Final = Unreachable("connect", "no connection could be made")
BAD_CERTIFICATE: Final = Unreachable("tls", "the certificate is not valid for this name")
NO_HANDSHAKE: Final = Unreachable("tls", "the TLS handshake failed")
DIED_IN_HANDSHAKE: Final = Unreachable("tls", "the connection died during the TLS handshake")
BAD_CLIENT_CERTIFICATE: Final = Unreachable("tls", "the client certificate of this endpoint cannot be used")
NO_ANSWER: Final = Unreachable("reset", "the connection died before an answer began")
CUT_INSIDE: Final = Unreachable("truncated", "the connection died inside the answer")
CUT_SHORT: Final = Unreachable("truncated", "the answer ended before the length it had announced")
UNWRITABLE: Final = Unreachable("protocol", "the request could not be written")
NOT_HTTP: Final = Unreachable("protocol", "the answer is not well-formed HTTP/1.1")
NO_END: Final = Unreachable("protocol", "the answer is not HTTP, or its head does not end")


def late(steps: Steps, budgets: Budgets) -> Unreachable:
    """Say which step the time ran out in."""
    if steps.connected_at is not None:
        return out_of_time(budgets)
    if steps.lookup_at is not None and steps.resolved_at is None:
        return Unreachable("dns", f"the name was not resolved within {budgets.connect:g} s")
    step = "TLS handshake" if steps.handshake_at is not None else "connection"
    return Unreachable("timeout", f"no {step} within {budgets.connect:g} s")


def out_of_time(budgets: Budgets) -> Unreachable:
    """Say that a written request was not answered in time, or not wholly."""
    return Unreachable("timeout", f"no whole answer within {budgets.total:g} s")


def answered(status: int, retry_after: Sequence[str], trouble: Unreachable | None) -> Outcome:
    """Judge an answer whose head was read: a failure status stands whatever `trouble` its body had."""
    if 200 <= status < 300:
        return trouble or _delivered(status)
    return Refused(status, parse_retry_after(retry_after, datetime.now(UTC)) if retry_after else None)


_delivered = lru_cache(maxsize=100)(Delivered)  # a value, and nearly always the same


def is_reset(outcome: Outcome) -> bool:
    return isinstance(outcome, Unreachable) and outcome.kind == "reset"


def text(excerpt: bytes | bytearray) -> str:
    """Return bytes as text: a character cut in half is left off, what is not UTF-8 is shown as its escapes."""
    if excerpt.isascii():  # most answers: an incremental decoder for each would cost more than reading the answer
        return excerpt.decode("ascii")
    return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(bytes(excerpt))
