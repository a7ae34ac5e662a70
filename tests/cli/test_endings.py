"""Does every kind of ending have its exit code, and are keys sent only where they belong?"""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.exits import Exit
from tests.cli.conftest import Wire
from tests.cli.wire_server import FakeWire, Reply, problem

TRACE = "/v1/ops/stories/urn%3Ax"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, Exit.NO_ACCESS),
        (403, Exit.NO_ACCESS),
        (404, Exit.NOT_FOUND),
        (409, Exit.FAILED),
        (410, Exit.FAILED),
        (429, Exit.FAILED),
        (500, Exit.FAILED),
        (502, Exit.UNREACHABLE),
        (503, Exit.UNREACHABLE),
    ],
)
def test_a_refusal_has_the_code_of_its_kind(wire: Wire, fake: FakeWire, status: int, code: Exit) -> None:
    """And its detail is what a person reads."""
    fake.on("GET", TRACE, problem(status, "The detail of it."))
    result = wire("trace", "urn:x")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "The detail of it.\n")


def test_a_wire_that_says_when_to_come_back_is_quoted(wire: Wire, fake: FakeWire) -> None:
    """Retry-After is a number that people can use."""
    reply = problem(503, "Starting.")
    fake.on("GET", TRACE, Reply(503, reply.body, reply.content_type, {"retry-after": "7"}))
    assert "Try again in 7 s." in wire("trace", "urn:x").stderr


def test_an_answer_that_is_no_problem_still_ends_in_words(wire: Wire, fake: FakeWire) -> None:
    """A proxy's error page is not printed at the person."""
    fake.on("GET", TRACE, Reply(502, b"<html>bad gateway</html>", "text/html"))
    result = wire("trace", "urn:x")
    assert result.exit_code == Exit.UNREACHABLE
    assert "502" in result.stderr
    assert "<html>" not in result.output


def test_nobody_there_is_unreachable(wire: Wire) -> None:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = wire("trace", "urn:x", "--url", url, "--key", "k")
    assert result.exit_code == Exit.UNREACHABLE
    assert url in result.stderr


def test_no_wire_running_here_is_unreachable_and_says_what_to_do(wire: Wire, data: Path) -> None:
    """No run.json, no URL."""
    (data / "run.json").unlink()
    result = wire("lag")
    assert result.exit_code == Exit.UNREACHABLE
    assert "make run" in result.stderr


def test_keys_of_the_local_wire_are_never_sent_to_another(wire: Wire, fake: FakeWire) -> None:
    """With --url the key must be named too."""
    result = wire("trace", "urn:x", "--url", fake.url)
    assert result.exit_code == Exit.NO_ACCESS
    assert fake.asked == []


def test_url_and_key_come_from_the_environment(
    wire: Wire, fake: FakeWire, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WIRE_URL and WIRE_KEY name another wire once for all commands."""
    (data / "run.json").unlink()
    monkeypatch.setenv("WIRE_URL", f"{fake.url}/")
    monkeypatch.setenv("WIRE_KEY", "mine")
    fake.on("GET", "/v1/ops/lag", Reply(200, []))
    assert wire("lag").exit_code == Exit.OK
    assert fake.requests("GET", "/v1/ops/lag")[0].key == "mine"


@pytest.mark.parametrize("arguments", [("nonsense",), ("kill", "urn:x"), ("trace",), ("lag", "--url", "ftp://x")])
def test_a_wrong_command_line_is_a_usage_error(wire: Wire, arguments: tuple[str, ...]) -> None:
    """Nothing is asked of any wire."""
    assert wire(*arguments).exit_code == Exit.USAGE


COMMANDS = [
    ["file"], ["correct"], ["kill"], ["confirm"], ["tail"], ["lag"], ["trace"], ["receive"],
    ["keys", "list"], ["keys", "create"], ["keys", "revoke"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_ends_with_an_example_and_offers_json(wire: Wire, command: list[str]) -> None:
    """The quickest way to learn a command is to see one."""
    shown = wire(*command, "--help").stdout
    assert f"wire {' '.join(command)}" in shown.partition("example:")[2]
    assert "--json" in shown


def test_the_documented_exit_codes_are_the_real_ones() -> None:
    """The table of docs/cli.md lists each code with its number."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert rows == {int(code) for code in Exit}


def test_help_loads_no_http_client_and_nothing_of_the_services() -> None:
    """That is what keeps it quick; and the command is a client like any other."""
    script = "import json, sys; import cli.main; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    heavy = {"httpx2", "aiokafka", "standardwebhooks", "pydantic", "services", "shared", "asyncio"}
    assert heavy.isdisjoint(loaded)
