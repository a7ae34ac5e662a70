"""Does a receiver do what a newswire needs of it? Sent to and judged by its answers, and by what it says it holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from cli.exits import Ended, Exit
from cli.webhooks import Post, Signer

if TYPE_CHECKING:
    import httpx2

BUDGET_S = 15.0
"""What the wire itself gives a receiver for the whole exchange."""
SLOW_S = 5.0
EFFECT_WITHIN_S = 5.0
"""A receiver may answer first and work afterwards; this long."""

Verdict = Literal["pass", "fail", "not judged"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST; `status` None: no whole answer, and `said` says why."""

    status: int | None
    ms: float
    said: str = ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the receiver said that the sender is wrong; 429 says nothing about the webhook."""
        return self.status is not None and 400 <= self.status < 500 and self.status != 429

    def __str__(self) -> str:
        return f"{self.status or self.said} in {self.ms:.0f} ms"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is right, what was seen, and what to do if not. `ok` None: nobody could see."""

    ok: bool | None
    saw: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """One case graded: by its first wrong finding, or by all of them."""

    case: str
    verdict: Verdict
    saw: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One habit of a good receiver; `look` sends what it takes and yields a finding for each thing that counts."""

    name: str
    look: Callable[[Grader], Iterator[Finding]]


@dataclass(slots=True)
class Grader:
    """Posts to one receiver. `state_url` answers `GET ?story_id=` with what is held of a story (docs/receivers.md).

    `pause_s` lies between two looks, and between two pieces of a slow body; `patience_s` is what a receiver has for an
    effect, and for answering beside a slow sender; `budget_s` for an answer.
    """

    url: str
    signer: Signer
    state_url: str | None = None
    pause_s: float = 0.1
    patience_s: float = EFFECT_WITHIN_S
    budget_s: float = BUDGET_S
    _client: httpx2.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import httpx2

        self._client = httpx2.Client(timeout=self.budget_s, follow_redirects=False, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def send(self, post: Post, pieces: Iterable[bytes] | None = None) -> Answer:
        """Post, and say what came of it; whatever a receiver does is an answer. `pieces`: the body as it is sent."""
        import httpx2

        headers = {**post.headers, "accept-encoding": "identity", "content-length": str(len(post.body))}
        began = time.monotonic()
        try:
            with self._client.stream("POST", self.url, content=pieces or post.body, headers=headers) as answer:
                said = next(answer.iter_raw(1024), b"").decode(errors="replace")
                status: int | None = answer.status_code
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            status, said = None, str(error) or type(error).__name__
        return Answer(status, (time.monotonic() - began) * 1000, said)

    def accepts(self, answer: Answer, fix: str) -> Finding:
        """Right if it was answered with 2xx in time; a slow answer is right, and said."""
        in_time = answer.ms <= self.budget_s * 1000  # the client's own limit is for each step, not for all of them
        note = "; slow: answer first, work afterwards" if answer.ms > SLOW_S * 1000 else ""
        return Finding(answer.accepted and in_time, f"{answer}{note}", fix)

    def refuses(self, answer: Answer, fix: str) -> Finding:
        """Right if it was answered with 4xx."""
        return Finding(answer.refused, str(answer), fix)

    def holds(self, story_id: str, expected: dict[str, Any] | None, fix: str, *, decisive: bool = False) -> Finding:
        """Right if what is held of a story comes to be as expected (None: nothing) within the receiver's time.

        `decisive`: the case is about the effect, so that without a look at it nobody can judge.
        """
        if self.state_url is None:
            return Finding(None, "what it made of it was not looked at") if decisive else Finding(True, "")
        deadline = time.monotonic() + (self.patience_s if expected is not None else 0)
        while True:
            held = self._held(story_id)
            known = None if held is None or expected is None else {name: held.get(name) for name in expected}
            right = held is None if expected is None else known == expected
            if right or time.monotonic() >= deadline:
                return Finding(right, f"holds {_told(held)}", fix)
            time.sleep(self.pause_s)

    def _held(self, story_id: str) -> dict[str, Any] | None:
        import httpx2

        try:
            answer = self._client.get(self.state_url or "", params={"story_id": story_id})
            told = None if answer.status_code == 404 else answer.raise_for_status().json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise Ended(Exit.FAILED, f"{self.state_url} does not say what is held ({error}).") from None
        if told is not None and not isinstance(told, dict):
            raise Ended(Exit.FAILED, f"{self.state_url} does not answer with a JSON object.")
        return told


def grade(grader: Grader, cases: Sequence[Case], told: Callable[[Grade], None]) -> list[Grade]:
    """Try every case in turn, telling each grade as it is known. Raises `Ended` when the receiver cannot be reached."""
    grades: list[Grade] = []
    for case in cases:
        found = _graded(case, list(case.look(grader)))
        grades.append(found)
        told(found)
    return grades


def in_a_line(one: Grade) -> str:
    """Verdict, case and what was seen; below it what to do."""
    mark = {"pass": "pass", "fail": "FAIL", "not judged": "  - "}[one.verdict]
    fix = f"\n      {one.fix}" if one.verdict == "fail" else ""
    return f"{mark}  {one.case:<24} {one.saw}{fix}"


def summary(grades: Sequence[Grade]) -> str:
    """How many passed, and what nobody could see."""
    passed, failed = (sum(one.verdict == verdict for one in grades) for verdict in ("pass", "fail"))
    unseen = len(grades) - passed - failed
    last = f", {unseen} not judged: their answers are right, and --state-url would show the effect" if unseen else ""
    return f"{passed} passed, {failed} failed{last}"


def _graded(case: Case, findings: Sequence[Finding]) -> Grade:
    wrong = next((one for one in findings if one.ok is False), None)
    if wrong is not None:
        return Grade(case.name, "fail", wrong.saw, wrong.fix)
    verdict: Verdict = "not judged" if any(one.ok is None for one in findings) else "pass"
    return Grade(case.name, verdict, "; ".join(one.saw for one in findings if one.saw))


def _told(held: dict[str, Any] | None) -> str:
    return "nothing" if held is None else ", ".join(f"{name} {value}" for name, value in held.items())
