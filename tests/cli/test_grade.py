"""Does the grader pass what is right, and find what is wrong, with no wire anywhere near?"""

import json
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from cli.exits import Ended, Exit
from cli.grade_cases import CASES
from cli.grading import Answer, Grade, Grader, grade, in_a_line, summary
from cli.receiver import HELD_PATH, Received, Receiver
from cli.webhooks import Signer
from tests.cli.conftest import Wire
from tests.cli.faulty_receivers import Habits, receiving
from tests.cli.wire_server import FakeWire, Reply

SECRET = "whsec_" + b64encode(b"a secret of thirty-two bytes ...").decode()
NAMES = [case.name for case in CASES]
RIGHT = Habits()
FORGED = {"bad signature", "tampered body", "changed id", "unsigned", "stale timestamp", "early timestamp"}


def graded(url: str, state_url: str | None = None) -> dict[str, Grade]:
    with Grader(url, Signer(SECRET), state_url, pause_s=0.01, patience_s=0.3, budget_s=5) as grader:
        return {one.case: one for one in grade(grader, CASES, lambda _: None)}


def failed(habits: Habits, *, effects: bool = True) -> set[str]:
    with receiving(SECRET, habits) as url:
        found = graded(url, url.replace("/hook", "/held") if effects else None)
    assert all(one.fix for one in found.values() if one.verdict == "fail")
    return {name for name, one in found.items() if one.verdict == "fail"}


def forget(_: Received) -> None:
    """What came is of no interest."""


def test_our_own_receiver_passes_every_case() -> None:
    """The one of `wire receive`, judged by its answers and by what it says it holds."""
    with Receiver(SECRET, forget) as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        found = graded(url, url + HELD_PATH)
    assert {name: one.saw for name, one in found.items() if one.verdict != "pass"} == {}
    assert list(found) == NAMES


def test_a_receiver_may_be_written_in_another_way() -> None:
    """Nothing of ours is in this one but the rules."""
    assert failed(RIGHT) == set()
    assert failed(replace(RIGHT, accepts_with=204, refuses_with=400, duplicates_with=208)) == set()


def test_without_a_look_at_the_effects_nobody_says_that_they_are_right() -> None:
    """Right answers pass where the answer is the point; the rest is not judged, and not failed."""
    with receiving(SECRET, replace(RIGHT, counts_ids=False, orders=False)) as url:
        found = graded(url)
    unseen = {name for name, one in found.items() if one.verdict == "not judged"}
    assert unseen == {"duplicate", "reordered", "withhold", "kill"}
    assert all(one.verdict == "pass" for name, one in found.items() if name not in unseen)


@pytest.mark.parametrize(
    ("habits", "wrong"),
    [
        ({"verifies": False}, FORGED),
        ({"checks_time": False}, {"stale timestamp", "early timestamp"}),
        ({"refuses_with": 500}, FORGED),
        ({"refuses_with": 200}, FORGED),
        ({"refuses_with": 429}, FORGED),
        ({"reads_all_signatures": False}, {"rotated secret", "other scheme"}),
        ({"skips_other_schemes": False}, {"other scheme"}),
        ({"verifies_bytes": False}, {"raw bytes"}),
        ({"gives_challenge": False}, {"challenge"}),
        ({"duplicates_with": 409}, {"duplicate"}),
        ({"older_with": 400}, {"reordered"}),
        ({"unknown_with": 400}, {"unknown type"}),
        ({"longest_body": 64 * 1024}, {"large body"}),
        ({"side_by_side": False}, {"slow sender"}),
    ],
)
def test_a_wrong_answer_fails_its_case_and_no_other(habits: dict[str, Any], wrong: set[str]) -> None:
    """Also where nobody looks at the effects."""
    assert failed(replace(RIGHT, **habits), effects=False) == wrong


@pytest.mark.parametrize(
    ("habits", "wrong"),
    [
        ({"counts_ids": False}, {"duplicate"}),
        ({"orders": False}, {"reordered"}),
        ({"orders": False, "dead_stay_dead": False}, {"reordered", "kill"}),
        ({"knows_withholds": False}, {"withhold"}),
        ({"acts_before_verifying": True}, FORGED),
        ({"keeps": False}, {"delivery", "duplicate", "reordered", "withhold", "kill", "large body"}),
    ],
)
def test_a_wrong_effect_fails_its_case_though_the_answer_is_right(habits: dict[str, Any], wrong: set[str]) -> None:
    """What the receiver says it holds is what counts."""
    assert failed(replace(RIGHT, **habits)) == wrong


def test_a_receiver_that_redirects_or_fails_accepts_nothing() -> None:
    """Neither is a 2xx; what is refused is still refused."""
    refusing = set(NAMES) - FORGED - {"challenge"}
    for status in (302, 500):
        habits = replace(RIGHT, accepts_with=status, duplicates_with=status, older_with=status, unknown_with=status)
        assert failed(habits, effects=False) == refusing


def test_somebody_who_is_not_there_is_no_receiver(wire: Wire) -> None:
    """One sentence instead of a list of failures, and the code for it."""
    with ExitStack() as closed:
        url = closed.enter_context(receiving(SECRET, RIGHT))
    result = wire("grade", url, "--secret", SECRET)
    assert result.exit_code == Exit.UNREACHABLE
    assert result.stdout == ""


def test_the_command_tells_each_case_as_it_is_known_and_what_to_mend(wire: Wire) -> None:
    """A failed one costs the exit code; the secret is nowhere in the output."""
    with receiving(SECRET, replace(RIGHT, refuses_with=500)) as url:
        result = wire("grade", url, "--secret", SECRET, "--only", "delivery", "--only", "unsigned")
        good = wire("grade", url, "--secret", SECRET, "--only", "delivery")
    assert result.exit_code == Exit.FAILED
    first, second, fix = result.stdout.splitlines()
    assert (first.split()[:2], second.split()[:2]) == (["pass", "delivery"], ["FAIL", "unsigned"])
    assert "401" in fix
    assert "1 passed, 1 failed" in result.stderr
    assert SECRET not in result.output
    assert good.exit_code == Exit.OK


def test_json_is_one_grade_per_line(wire: Wire) -> None:
    """For scripts: case, verdict, what was seen, what to mend."""
    with receiving(SECRET, RIGHT) as url:
        result = wire("grade", url, "--secret", SECRET, "--only", "kill", "--state-url", url, "--json")
    [line] = result.stdout.splitlines()
    assert json.loads(line).keys() == {"case", "verdict", "saw", "fix"}
    assert (json.loads(line)["case"], json.loads(line)["verdict"]) == ("kill", "pass")


@pytest.mark.parametrize("arguments", [("--secret", "whsec_!"), ("--secret", SECRET, "--only", "no such case")])
def test_what_is_no_secret_and_no_case_is_a_usage_error(wire: Wire, arguments: tuple[str, ...]) -> None:
    """Nothing is sent."""
    assert wire("grade", "http://127.0.0.1:9/hook", *arguments).exit_code == Exit.USAGE


@pytest.mark.parametrize("reply", [Reply(500, {}), Reply(200, [1]), Reply(200, b"no json", "text/plain")])
def test_a_state_that_cannot_be_read_ends_the_grading(fake: FakeWire, reply: Reply) -> None:
    """It is not the receiver's habit that is wrong, but what the command was told."""
    fake.on("GET", "/held", reply)
    with receiving(SECRET, RIGHT) as url, pytest.raises(Ended, match="/held"):
        graded(url, f"{fake.url}/held")


@pytest.mark.parametrize(("ms", "ok", "said"), [(40, True, ""), (6_000, True, "slow"), (15_001, False, "slow")])
def test_an_answer_that_comes_late_is_said_and_one_that_comes_too_late_is_none(ms: float, ok: bool, said: str) -> None:
    """Fifteen seconds is what the wire gives a receiver for all of it."""
    with Grader("http://127.0.0.1:9/hook", Signer(SECRET)) as grader:
        found = grader.accepts(Answer(200, ms), "answer first")
    assert (found.ok, said in found.saw) == (ok, True)


def test_a_summary_counts_and_says_what_was_not_judged() -> None:
    """No failed one is hidden behind those that passed."""
    grades = [Grade("a", "pass", ""), Grade("b", "fail", "500", "mend it"), Grade("c", "not judged", "")]
    assert summary(grades).startswith("1 passed, 1 failed, 1 not judged")
    assert "mend it" in in_a_line(grades[1])
