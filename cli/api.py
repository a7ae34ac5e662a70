"""How is the public API asked, and what do its refusals mean to a person at a terminal?"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from cli.connection import Door, Wire
from cli.exits import Ended, Exit

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 20.0
SHOWN_ERRORS = 8


class Api:
    """One client of one wire. Every refusal becomes `Ended` with a sentence and the exit code for its kind."""

    def __init__(self, wire: Wire) -> None:
        import httpx2

        self.wire = wire
        self._client = httpx2.Client(
            timeout=TIMEOUT_S, headers={"user-agent": "wire-cli", "accept": "application/json"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, method: str, door: Door, path: str, *, role: str, key: str | None = None, **more: Any) -> Any:
        """Send one request and return the JSON of a 2xx answer (None without a body). Raises `Ended`."""
        import httpx2

        base = self.wire.doors[door]
        headers = {"authorization": f"Bearer {key or self.wire.key_for(role)}", **more.pop("headers", {})}
        try:
            answer = self._client.request(method, f"{base}{path}", headers=headers, **more)
        except httpx2.TransportError as error:
            raise Ended(Exit.UNREACHABLE, f"{base} does not answer ({_words(error)}).") from None
        if not answer.is_success:
            raise refusal(answer.status_code, answer.content, answer.headers.get("retry-after"))
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise Ended(Exit.FAILED, f"{base}{path} does not answer with JSON; is that a wire?") from None


def story_path(prefix: str, story_id: str, rest: str = "") -> str:
    """The path of a story below `prefix`: the id is one segment, whatever is in it."""
    return f"{prefix}/{quote(story_id, safe='')}{rest}"


def refusal(status: int, body: bytes, retry_after: str | None = None) -> Ended:
    """What an answer that is no success means: its code, and the problem's own words with the places it names."""
    problem = _problem(body)
    said = str(problem.get("detail") or problem.get("title") or f"The answer was {status}.")
    lines = [said, *_places(problem.get("errors"), said)]
    if retry_after:
        lines.append(f"Try again in {retry_after} s.")
    return Ended(code_of(status), "\n".join(lines))


def code_of(status: int) -> Exit:
    """The exit code for an HTTP status that is no success."""
    match status:
        case 401 | 403:
            return Exit.NO_ACCESS
        case 404:
            return Exit.NOT_FOUND
        case 502 | 503 | 504:
            return Exit.UNREACHABLE
        case _:
            return Exit.FAILED


def _problem(body: bytes) -> dict[str, Any]:
    import json

    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _places(errors: object, said: str) -> list[str]:
    """One line per error of a problem, unless its detail says the same already."""
    if not isinstance(errors, list):
        return []
    told = [error for error in errors if isinstance(error, dict) and str(error.get("message", "")) not in said]
    return [f"  {_place(error)}{error.get('message', '')}" for error in told[:SHOWN_ERRORS]]


def _place(error: dict[str, Any]) -> str:
    where = error.get("pointer") or error.get("parameter") or (f"line {error['line']}" if "line" in error else "")
    return f"{where}: " if where else ""


def _words(error: httpx2.TransportError) -> str:
    return str(error) or type(error).__name__
