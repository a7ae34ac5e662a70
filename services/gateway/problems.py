"""Which problem is each of the gateway's refusals? The only place that knows their status."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.gateway.refusals import Changed, Conflict, Gone, NotFound, NotReady, Unfit
from shared.platform.problems import Code, Problem, unavailable


def _as(code: Code) -> Callable[[Any], Problem]:
    return lambda refusal: Problem(code, str(refusal))


PROBLEMS: Final[Mapping[type[Exception], Callable[[Any], Problem]]] = {
    NotFound: _as(Code.NOT_FOUND),
    Conflict: _as(Code.CONFLICT),
    Gone: lambda gone: Problem(Code.KILLED, str(gone), **gone.notice),
    Changed: _as(Code.CHANGED),
    Unfit: lambda unfit: Problem(Code.INVALID, str(unfit), errors=unfit.errors),
    NotReady: lambda error: unavailable(str(error), error.retry_after),
}
