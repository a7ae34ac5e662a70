"""Does the retry schedule read well at a terminal?"""

import json

import pytest

from cli.schedule import span
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply

TOLD = {
    "steps": [
        {"attempt": 2, "wait_s": 10.0, "after_s": 10.0},
        {"attempt": 3, "wait_s": 3600.0, "after_s": 3610.0},
    ],
    "gives_up_after_s": 3610.0,
    "jitter_share": 0.1,
    "jitter_most_s": 9.0,
    "retry_after_most_s": 86400.0,
}


def test_the_schedule_is_the_wires_own(wire: Wire, fake: FakeWire) -> None:
    """One line per attempt, the first one included; nothing is known here that the wire did not say."""
    fake.on("GET", "/v1/retry-schedule", Reply(200, TOLD))
    lines = wire("retry-schedule").stdout.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:4]] == ["ATTEMPT", "1", "2", "3"]
    assert lines[3].split()[1:] == ["1", "h", "1", "h", "10", "s"]
    assert "24 h" in lines[-2]
    assert json.loads(wire("retry-schedule", "--json").stdout) == TOLD


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (9, "9 s"), (60, "1 min"), (4270, "1 h 11 min 10 s"), (259_200, "72 h")]
)
def test_a_span_is_exact_and_short(seconds: float, told: str) -> None:
    """A schedule is no place for roughly."""
    assert span(seconds) == told
