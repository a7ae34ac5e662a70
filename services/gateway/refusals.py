"""What may the gateway answer besides yes? Refusals of its own; `problems` knows their status."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.errors import Refusal, WireError

Errors = Sequence[Mapping[str, Any]]
"""What is wrong and where: `pointer` (RFC 6901, into the body) or `parameter`, and `message`."""


class NotFound(Refusal):
    """There is no such thing, or it belongs to somebody else; the answer is the same."""


class Gone(Refusal):
    """The story was killed; `notice` is what its readers are told."""

    def __init__(self, notice: Mapping[str, Any]) -> None:
        super().__init__("this story was killed: withdraw every version of it")
        self.notice = notice


class Conflict(Refusal):
    """The present state of the thing does not allow it."""


class Changed(Refusal):
    """The part was changed since the caller read it (`If-Match`)."""


class Unfit(Refusal):
    """What was sent cannot mean anything; `errors` say where and why."""

    def __init__(self, errors: Errors) -> None:
        super().__init__("; ".join(f"{_place(error)}: {error['message']}" for error in errors))
        self.errors = errors


class NotReady(WireError):
    """The answer cannot be known at this moment; ask again in `retry_after` seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def unfit(pointer: str, message: str, **more: Any) -> Unfit:
    """One thing wrong with the body."""
    return Unfit([{"pointer": pointer, "message": message, **more}])


def unfit_parameter(parameter: str, message: str) -> Unfit:
    """One thing wrong with the query, a header or the path."""
    return Unfit([{"parameter": parameter, "message": message}])


def _place(error: Mapping[str, Any]) -> str:
    return str(error.get("pointer") or error.get("parameter") or "body")
